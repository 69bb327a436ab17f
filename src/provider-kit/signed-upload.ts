import { openAsBlob } from 'node:fs';
import { Failure } from '../errors.ts';
import type { Secret } from '../lib/redact.ts';
import type { Context } from '../provider/context.ts';
import { createFetch } from './http.ts';
import { parseRequestDeadline } from './settings.ts';

/** Where a service wants bytes: addresses of their own right to write, at another origin. */
export interface SignedStorage {
  /** For messages, such as `the storage of Together`. */
  readonly name: string;
  /** The service itself; where it is asked with `https:`, so is the storage. */
  readonly baseUrl: string;
  /** Never sent to the storage, and masked. */
  readonly secrets: readonly Secret[];
}

export interface SignedPart {
  readonly address: string;
  /** What the signature covers beside the address. */
  readonly headers?: Readonly<Record<string, string>> | null | undefined;
}

/** Sends bytes to a signed address; no credential goes with them. @throws Failure where the storage does not take them */
export async function putSigned(
  { address, headers, body }: SignedPart & { readonly body: Blob },
  storage: SignedStorage,
  context: Context,
): Promise<Response> {
  if (storage.baseUrl.startsWith('https:') && !address.startsWith('https:')) {
    throw new Failure(
      'response-invalid',
      `${storage.name}: expected an address with https: for the bytes, found another one; nothing was sent`,
    );
  }
  const put = createFetch({
    ...parseRequestDeadline(context),
    secrets: storage.secrets,
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  const sent = headers ?? { 'content-type': 'application/octet-stream' };
  const response = await put(address, { method: 'PUT', body, headers: sent, signal: context.signal });
  if (response.ok) return response;
  throw new Failure('service-unavailable', `PUT ${new URL(address).origin}: ${storage.name} did not take the rows (${response.status})`);
}

export interface StoredPart {
  readonly number: number;
  /** The storage's word for what it has. */
  readonly etag: string;
}

/** Sends a file in its parts, numbered from 1, each to an address of its own. @throws Failure where the storage does not take one */
export async function putSignedParts(
  {
    path,
    partBytes,
    parts,
  }: { readonly path: string; readonly partBytes: number; readonly parts: readonly (SignedPart & { readonly number: number })[] },
  storage: SignedStorage,
  context: Context,
): Promise<StoredPart[]> {
  const blob = await openAsBlob(path);
  const stored: StoredPart[] = [];
  // One after the other: parts in parallel would share the same line.
  for (const { number, address, headers } of parts) {
    const body = blob.slice((number - 1) * partBytes, number * partBytes);
    const response = await putSigned({ address, headers: headers ?? {}, body }, storage, context);
    stored.push({ number, etag: (response.headers.get('etag') ?? '').replaceAll('"', '') });
  }
  return stored;
}

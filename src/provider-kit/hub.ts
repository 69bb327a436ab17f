import type { z } from 'zod';
import type { Context } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';
import { Failure, isFailure } from '../errors.ts';
import { createFetch, createRedactor, toHttpFailure, type FetchOptions, type RequestInfo, type Secret } from './http.ts';
import { parseAnswer, requestJson, type JsonAnswer } from './json.ts';
import { parseBaseUrl, parseRequestDeadline } from './settings.ts';

/** How long and how large answers may be; see `createFetch`. */
export type HubOptions = Pick<FetchOptions, 'deadlineMs' | 'body' | 'maxBodyBytes'> & {
  /** Whether the requests are for public things: then no token is needed. */
  readonly isPublic?: boolean;
};

/** The Hub as one context sees it. Paths begin with a slash. */
export interface Hub {
  readonly endpoint: string;
  /** What the calls of `@huggingface/hub` are given. */
  readonly params: { readonly hubUrl: string; readonly accessToken?: string; readonly fetch: typeof globalThis.fetch };
  /** Sends to the Hub with the credential. An answer of any status resolves. */
  readonly send: (path: string, init?: RequestInit) => Promise<Response>;
  /** What failures of a request say about it. */
  readonly describe: (method: string, path: string) => RequestInfo;
  /** Asks for JSON. What fails is thrown as it is, for `toSendOutcome`. */
  readonly request: (method: string, path: string, body?: unknown) => Promise<JsonAnswer>;
  /** Reads JSON. @throws Failure that says what was asked, and what to do */
  readonly read: <T>(schema: z.ZodType<T>, path: string) => Promise<T>;
  /** Runs calls. What they throw becomes a Failure that says what was asked, and what to do. */
  readonly call: <T>(what: string, use: () => Promise<T>) => Promise<T>;
  readonly redact: (text: string) => string;
}

/** The client library insists on a token and gets this one. The real one is put in when a request is sent, so that no object or error holds it. */
const placeholder = 'hf_placeholder';

/** Statuses by which the Hub refuses a request beside the usual ones: 402 says that the account has no credit. */
const refusals = [402];

/** @throws Failure `credentials-invalid` without a token, `configuration-invalid` */
export function openHub(context: Context, { isPublic = false, ...options }: HubOptions = {}): Hub {
  const endpoint = parseEndpoint(context);
  const secret = context.credential('HF_TOKEN');
  if (secret === null && !isPublic) {
    throw new Failure('credentials-invalid', 'HF_TOKEN: expected a token, found none', {
      hint: 'make a token at https://huggingface.co/settings/tokens; it needs to write repositories and to start jobs',
    });
  }
  const hubFetch = createHubFetch({ endpoint, secret, options }, context);
  const redact = createRedactor(secret === null ? [] : [secret]);
  const credential = secret === null ? {} : { authorization: `Bearer ${placeholder}` };
  const hub: Hub = {
    endpoint,
    params: { hubUrl: endpoint, fetch: hubFetch, ...(secret === null ? {} : { accessToken: placeholder }) },
    redact,
    send: async (path, init = {}) => {
      const headers = { ...(init.headers as Record<string, string> | undefined), ...credential };
      return await hubFetch(`${endpoint}${path}`, { ...init, headers });
    },
    describe: (method, path) => ({ what: `${method} ${endpoint}${path}`, redact, now: context.now(), refusals }),
    request: async (method, path, body) => {
      const url = `${endpoint}${path}`;
      return await requestJson(hubFetch, { url, method, body, headers: credential, signal: context.signal, redact, refusals });
    },
    read: async (schema, path) =>
      await hub.call(`GET ${path}`, async () => parseAnswer(schema, (await hub.request('GET', path)).json, `GET ${path}`)),
    async call(what, use) {
      try {
        return await use();
      } catch (error) {
        context.signal.throwIfAborted();
        throw explain(toHttpFailure(error, { what: `${what} at ${endpoint}`, redact, now: context.now(), refusals }));
      }
    },
  };
  return hub;
}

/** Replaces the placeholder with the token. Other requests get none: addresses of the storage are signed. */
function createHubFetch(
  { endpoint, secret, options }: { endpoint: string; secret: Secret | null; options: Omit<HubOptions, 'isPublic'> },
  context: Context,
): typeof globalThis.fetch {
  const send = createFetch({
    ...parseRequestDeadline(context),
    ...options,
    origin: new URL(endpoint).origin,
    secrets: secret === null ? [] : [secret],
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    if (headers.has('authorization') && secret !== null) headers.set('authorization', `Bearer ${secret.reveal()}`);
    const signal = init.signal == null ? context.signal : AbortSignal.any([context.signal, init.signal]);
    return await send(input, { ...init, headers, signal });
  };
}

/** Says what to do about a refusal. */
export function explain(failure: Failure): Failure {
  const hint = getHint(failure);
  if (hint === null) return failure;
  const { code, message, status, retryAfterMs } = failure;
  return new Failure(code, message, {
    hint,
    ...(status === null ? {} : { status }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

function getHint({ code, status }: Failure): string | null {
  if (code === 'credentials-invalid' && status === 403) {
    return 'the token works and may not do this: it needs to write repositories and to start jobs in this namespace';
  }
  if (code === 'credentials-invalid' && status === 401) {
    return 'check HF_TOKEN: whether it is complete, not revoked, and belongs to this Hub';
  }
  return status === 402 ? 'jobs are paid in advance: add credit at https://huggingface.co/settings/billing' : null;
}

/** The status of an answer that a call of `@huggingface/hub` throws; null for other errors. */
export function getStatusCode(error: unknown): number | null {
  if (isFailure(error)) return error.status;
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : null;
}

const publicEndpoint = 'https://huggingface.co';

/** The Hub's address, without a slash at its end. @throws Failure `configuration-invalid` */
export function parseEndpoint(context: Context): string {
  return parseBaseUrl(context.setting('HF_ENDPOINT') ?? publicEndpoint, 'HF_ENDPOINT', publicEndpoint);
}

/** Where a job is: the Hub and the namespace. */
export function formatLocation(endpoint: string, namespace: string): string {
  return `${endpoint}/${namespace}`;
}

/**
 * The namespace of a job, where the job is at the present Hub: the same name at another one is somebody else's.
 * @throws Failure `configuration-invalid`
 */
export function parseLocation({ id, location }: Pick<JobRef, 'id' | 'location'>, context: Context): string {
  const endpoint = parseEndpoint(context);
  const namespace = location.slice(endpoint.length + 1);
  if (location.startsWith(`${endpoint}/`) && /^[\w.-]+$/.test(namespace)) return namespace;
  throw new Failure('configuration-invalid', `Hugging Face: expected the address of the job ${id}, ${location}, found ${endpoint}`, {
    hint: 'set HF_ENDPOINT as it was when the job was submitted',
  });
}

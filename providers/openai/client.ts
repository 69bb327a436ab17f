import type OpenAI from 'openai';
import type { Context } from '../../src/provider/context.ts';
import { createFetch, type FetchOptions, type Secret } from '../../src/provider-kit/http.ts';
import { parseRequestDeadline } from '../../src/provider-kit/settings.ts';

/** How long and how large the answers of a client may be; see `createFetch`. */
export type ClientOptions = Pick<FetchOptions, 'deadlineMs' | 'body' | 'maxBodyBytes'>;

/** Where a service is, and what opens it. */
export interface Access {
  /** The base URL, without a slash at its end. */
  readonly baseUrl: string;
  readonly secret: Secret;
  /** The header that carries the credential, with what stands in front of it. */
  readonly header: { readonly name: string; readonly prefix: string };
  readonly headers: Readonly<Record<string, string>>;
  /** Of Azure's dated interface; null: the service has no versions. */
  readonly apiVersion: string | null;
}

/** The client wants a key and gets this: the real one is put in behind it, so that it is in none of its objects and errors. */
const placeholder = 'none';

/**
 * The service's own client, without its retries, its log and what it reads from the environment. Every call goes through
 * `createFetch`, ends with the context's signal, and throws what `toServiceFailure` explains.
 */
export async function openClient(access: Access, context: Context, options: ClientOptions = {}): Promise<OpenAI> {
  const { AzureOpenAI, OpenAI: Client } = await import('openai');
  const settings = {
    baseURL: access.baseUrl,
    apiKey: placeholder,
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: 2 ** 31 - 1, // createFetch keeps the time
    logLevel: 'off',
    fetch: toClientFetch(access, context, options),
  } as const;
  if (access.apiVersion === null) return new Client(settings);
  return new AzureOpenAI({ ...settings, apiVersion: access.apiVersion });
}

/** What the client may say of itself: it would add headers from the environment (`OPENAI_CUSTOM_HEADERS`). */
const clientHeader = /^(accept|content-type|user-agent|openai-beta|x-stainless-[\w-]+)$/;

function toClientFetch({ baseUrl, secret, header, headers }: Access, context: Context, options: ClientOptions): typeof globalThis.fetch {
  const send = createFetch({
    ...parseRequestDeadline(context),
    ...options,
    origin: new URL(baseUrl).origin,
    secrets: [secret],
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  const clientFetch: typeof globalThis.fetch = async (input, init = {}) => {
    const own = [...new Headers(init.headers)].filter(([name]) => clientHeader.test(name));
    const sent = new Headers([...own, ...Object.entries(headers), [header.name, `${header.prefix}${secret.reveal()}`]]);
    const signal = init.signal == null ? context.signal : AbortSignal.any([context.signal, init.signal]);
    return await send(input, { ...init, headers: sent, signal });
  };
  // With it the client need not find out, by a call to `data:`, whether this fetch knows forms.
  return Object.assign(clientFetch, { Response });
}

import type { Context } from '../../src/provider/context.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import { createFetch, createRedactor, toHttpFailure, type FetchOptions, type Secret } from '../../src/provider-kit/http.ts';
import { requestJson, type JsonAnswer } from '../../src/provider-kit/json.ts';
import { parseRequestDeadline } from '../../src/provider-kit/settings.ts';
import { parseEndpoint } from './endpoint.ts';
import { explain } from './failures.ts';

/** How long and how large answers may be; see `createFetch`. */
export type ClientOptions = Pick<FetchOptions, 'deadlineMs' | 'body' | 'maxBodyBytes'> & {
  /** Whether what is asked is public: then a token is not needed. */
  readonly isPublic?: boolean;
};

/** What the calls of `@huggingface/hub` are given. */
export interface HubParams {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly fetch: typeof globalThis.fetch;
}

/** The Hub as one context sees it. */
export interface Hub {
  readonly endpoint: string;
  readonly params: HubParams;
  /** Sends to the Hub with the credential. `path` begins with a slash. */
  readonly send: (path: string, init?: RequestInit) => Promise<Response>;
  /** Asks for JSON; what fails is thrown as it is, for `toSendOutcome`. */
  readonly request: (method: string, path: string, body?: unknown) => Promise<JsonAnswer>;
  /** Runs calls; what they throw becomes a Failure that says what was asked. */
  readonly call: <T>(what: string, use: () => Promise<T>) => Promise<T>;
  readonly redact: (text: string) => string;
}

/** The client checks that it is given a token and gets this: the real one is put in behind it, so that it is in none of its objects and errors. */
const placeholder = 'hf_placeholder';

/** @throws Failure `credentials-invalid` without a token, `configuration-invalid` */
export function openHub(context: Context, { isPublic = false, ...options }: ClientOptions = {}): Hub {
  const endpoint = parseEndpoint(context);
  const secret = context.credential('HF_TOKEN');
  if (secret === null && !isPublic) {
    throw new Failure('credentials-invalid', 'HF_TOKEN: expected a token, found none', {
      hint: 'tokens are made at https://huggingface.co/settings/tokens; it needs to write repositories and to start jobs',
    });
  }
  const hubFetch = toHubFetch({ endpoint, secret, options }, context);
  const redact = createRedactor(secret === null ? [] : [secret]);
  const credential = secret === null ? {} : { authorization: `Bearer ${placeholder}` };
  return {
    endpoint,
    params: { hubUrl: endpoint, accessToken: placeholder, fetch: hubFetch },
    send: async (path, init = {}) =>
      await hubFetch(`${endpoint}${path}`, {
        ...init,
        headers: { ...(init.headers as Record<string, string> | undefined), ...credential },
      }),
    request: async (method, path, body) =>
      await requestJson(hubFetch, { url: `${endpoint}${path}`, method, body, headers: credential, signal: context.signal, redact }),
    redact,
    async call(what, use) {
      try {
        return await use();
      } catch (error) {
        context.signal.throwIfAborted();
        throw explain(isFailure(error) ? error : toHttpFailure(error, { what: `${what} at ${endpoint}`, redact, now: context.now() }));
      }
    },
  };
}

/** Puts the token in where the placeholder stands: nowhere else, since addresses of the storage are signed and need none. */
function toHubFetch(
  { endpoint, secret, options }: { endpoint: string; secret: Secret | null; options: Omit<ClientOptions, 'isPublic'> },
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

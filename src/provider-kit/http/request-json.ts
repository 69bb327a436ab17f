import { Failure } from '../../errors.ts';
import { createRedactor } from '../../lib/redact.ts';
import { toAnswerFailure } from './send-outcome.ts';

export interface JsonAnswer {
  /** Not checked: the caller has the schema. Null for an answer that has no body by its status. */
  readonly json: unknown;
  readonly status: number;
  readonly headers: Headers;
}

export interface JsonRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Masks the credentials of the request in failures; without it only what looks like one is masked. */
  readonly redact?: (text: string) => string;
}

/**
 * Asks for JSON, with a fetch of `createFetch`. Throws a Failure for an answer that is no success or no JSON, which `toSendOutcome`
 * takes to what is known about the request.
 */
export async function requestJson(fetch: typeof globalThis.fetch, request: JsonRequest): Promise<JsonAnswer> {
  const { url, method = 'GET', headers = {}, body, signal, redact = createRedactor([]) } = request;
  const sent = { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
  const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}) };
  const response = await fetch.call(undefined, url, init);
  const text = await response.text();
  const { origin, pathname } = new URL(url);
  const info = { what: `${method} ${origin}${pathname}`, redact, now: new Date() };
  if (!response.ok) throw toAnswerFailure({ status: response.status, headers: response.headers, body: text }, info);
  const answer = { status: response.status, headers: response.headers };
  if (response.status === 204 || response.status === 205) return { ...answer, json: null };
  try {
    return { ...answer, json: JSON.parse(text) as unknown };
  } catch {
    const type = response.headers.get('content-type') ?? 'no content type';
    throw new Failure('response-invalid', redact(`${info.what}: expected JSON, found ${text.length} characters of ${type} that are none`));
  }
}

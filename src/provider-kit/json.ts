import type { z } from 'zod';
import { Failure } from '../errors.ts';
import { createRedactor } from '../lib/redact.ts';
import { toAnswerFailure, type RequestInfo } from './http/failure.ts';

export interface JsonAnswer {
  /** Not checked yet: see `parseAnswer`. Null for an answer that has no body by its status. */
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
  /** See `RequestInfo`. */
  readonly refusals?: readonly number[];
}

/**
 * Asks for JSON, with a fetch of `createFetch`. Throws a Failure for an answer that is no success or no JSON; `toSendOutcome` says
 * what is known about the request then.
 */
export async function requestJson(fetch: typeof globalThis.fetch, request: JsonRequest): Promise<JsonAnswer> {
  const { url, method = 'GET', headers = {}, body, signal, redact = createRedactor([]), refusals = [] } = request;
  const sent = { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
  const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}) };
  const response = await fetch.call(undefined, url, init);
  const { origin, pathname } = new URL(url);
  const info: RequestInfo = { what: `${method} ${origin}${pathname}`, redact, now: new Date(), refusals };
  await expectSuccess(response, info);
  const text = await response.text();
  const answer = { status: response.status, headers: response.headers };
  if (response.status === 204 || response.status === 205) return { ...answer, json: null };
  try {
    return { ...answer, json: JSON.parse(text) as unknown };
  } catch {
    const type = response.headers.get('content-type') ?? 'no content type';
    throw new Failure('response-invalid', redact(`${info.what}: expected JSON, found ${text.length} characters of other text (${type})`));
  }
}

/** @throws Failure for an answer that is no success; its body is read then */
export async function expectSuccess(response: Response, info: RequestInfo): Promise<void> {
  if (response.ok) return;
  const { status, headers } = response;
  throw toAnswerFailure({ status, headers, body: await response.text() }, info);
}

/**
 * An answer in the shape that the schema says. An answer of another shape, such as a page of a proxy, is not the service's.
 * @param call such as `GET /models`, for the message
 * @throws Failure `response-invalid`
 */
export function parseAnswer<T>(schema: z.ZodType<T>, answer: unknown, call: string): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue!.path.length === 0 ? '' : ` at ${issue!.path.join('.')}`;
  throw new Failure('response-invalid', `${call}: expected an answer of the service, found something else${place}: ${issue!.message}`);
}

/** Above this a number of seconds is a year after 5000: gateways give milliseconds where seconds are defined. */
const mostSeconds = 1e11;

/** A time of an answer, Unix seconds or ISO 8601, as ISO 8601 in UTC with milliseconds; null for everything else. */
export function toIsoTime(time: unknown): string | null {
  if (typeof time === 'string') return /^\d{4}-\d\d-\d\d/.test(time) ? formatTime(Date.parse(time)) : null;
  return typeof time === 'number' && time > 0 ? formatTime(time > mostSeconds ? time : time * 1000) : null;
}

function formatTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

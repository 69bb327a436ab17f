import { Failure } from '../errors.ts';
import { parseJsonOr } from '../lib/json.ts';
import { toAnswerFailure, type Fetch, type RequestInfo } from './http.ts';

/** An answer of any status, for steps that an official client has no method for. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Null where it is none. */
  readonly json: unknown;
}

/** Sends a form (`URLSearchParams`) or an object as JSON; null: no body. Sent once; a redirect is an answer where the fetch allows it. */
export async function postRaw(send: Fetch, url: string, body: object | null): Promise<RawAnswer> {
  const isForm = body instanceof URLSearchParams;
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const content = body === null ? {} : { body: isForm ? body.toString() : JSON.stringify(body), headers: { 'content-type': type } };
  const answer = await send(url, { method: 'POST', ...content });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: parseJsonOr(text, null) };
}

/** What is wrong with an answer that is not the expected one. @param expected such as `an address for the bytes` */
export function toUnexpected({ status, headers, text }: RawAnswer, expected: string, info: RequestInfo): Failure {
  if (status >= 400) return toAnswerFailure({ status, headers, body: text }, info);
  return new Failure('response-invalid', `${info.what}: expected ${expected}, found an answer without them (${status})`);
}

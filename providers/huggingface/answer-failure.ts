import type { Failure } from '../../src/errors.ts';
import { toHttpFailure } from '../../src/provider-kit/http.ts';

/** An answer that is no success, read by hand, as the Failure that `requestJson` would make of it. */
export function toAnswerFailure(statusCode: number, body: string, what: string): Failure {
  return toHttpFailure(Object.assign(new Error(what), { statusCode, data: body }), { what });
}

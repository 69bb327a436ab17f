import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { failureKinds, isFailure, type FailureData } from '../errors.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';

/** Deep equality; the difference that is shown begins with `what`. */
export function assertEqual(what: string, found: unknown, expected: unknown): void {
  assert.deepEqual({ [what]: found }, { [what]: expected });
}

/** That `value` is the same after a way through JSON text: no undefined, Date, Map, NaN, bigint, function or object of a class. */
export function assertJson(what: string, value: unknown): void {
  const problem = findNonJson(value, '', new Set());
  assert.ok(problem === null, `${what}: expected JSON, found ${problem}`);
}

function findNonJson(value: unknown, path: string, above: ReadonlySet<unknown>): string | null {
  const where = path === '' ? 'the value itself' : path;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? null : `the number ${value} at ${where}`;
  if (typeof value !== 'object') return `${typeof value} at ${where}`;
  if (above.has(value)) return `a circle at ${where}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return `an object of a class at ${where}`;
  const within = new Set([...above, value]);
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...(value as unknown[]).entries()] : Object.entries(value);
  for (const [key, item] of entries) {
    const problem = findNonJson(item, `${path}.${key}`, within);
    if (problem !== null) return problem;
  }
  return null;
}

/** ISO 8601 in UTC, as `Date` writes it. */
export function assertIsoTime(what: string, time: string): void {
  const isTime = !Number.isNaN(Date.parse(time)) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(time);
  assert.ok(isTime, `${what}: expected a time such as 2026-01-31T12:00:00.000Z, found ${time}`);
}

/** That an error is one that the program can store and explain: a Failure, or a SubmitFailure that has one as data. */
export function assertFailure(what: string, error: unknown): void {
  if (isFailure(error)) return;
  assert.ok(error instanceof SubmitFailure, `${what}: expected a Failure or a SubmitFailure, found ${inspect(error)}`);
  const isKnown = ['no', 'refused', 'limited', 'unknown'].includes(error.sent);
  assert.ok(isKnown, `${what}: expected "no", "refused", "limited" or "unknown" for sent, found "${error.sent}"`);
  assertFailureData(what, error.failure);
}

export function assertFailureData(what: string, failure: FailureData): void {
  assertJson(what, failure);
  assert.ok(failure.code in failureKinds, `${what}: expected a code of ${Object.keys(failureKinds).join(', ')}, found ${failure.code}`);
  assert.ok(failure.message.trim() !== '', `${what}: expected a message, found none`);
}

/** That no credential is in a value, in whatever form. It is not shown: the message is printed. */
export function assertNoSecret(what: string, value: unknown, secrets: readonly string[]): void {
  // Shows what JSON leaves out: causes of errors, headers, private fields of requests.
  const text = typeof value === 'string' ? value : inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
  // As it is, as a query of an address has it, and in base64, as basic authentication has it.
  const forms = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  ]);
  assert.ok(!forms.some((form) => text.includes(form)), `${what}: expected no credential, found one`);
}

/** How a call has ended. */
export type CallEnd = { readonly value: unknown } | { readonly error: unknown } | { readonly pending: true };

/** Waits for the end of a call, but not longer than so many milliseconds; a call that is still pending is left to itself. */
export async function waitForEnd(call: () => Promise<unknown>, withinMs: number): Promise<CallEnd> {
  const late = Promise.withResolvers<CallEnd>();
  const timeout = setTimeout(() => late.resolve({ pending: true }), withinMs);
  const ended = Promise.resolve() // a function that throws at once counts as one that rejects
    .then(call)
    .then(
      (value): CallEnd => ({ value }),
      (error: unknown): CallEnd => ({ error }),
    );
  return await Promise.race([ended, late.promise]).finally(() => clearTimeout(timeout));
}

/** What a call that must fail throws. */
export async function getRejection(what: string, call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail(`${what}: expected a call that fails, found an answer`);
}

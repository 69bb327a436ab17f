import { isDeepStrictEqual } from 'node:util';
import { failureKinds, isFailure, type FailureData } from '../errors.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';

/** A law; `lacks` names what the provider or the subject does not have, without which nothing can be checked. */
export function createTest(name: string, lacks: string | null, check: () => Promise<void>): ConformanceTest {
  if (lacks !== null) return { name: `${name} (not checked: no ${lacks})`, check: async () => await Promise.resolve() };
  return {
    name,
    async check() {
      try {
        await check();
      } catch (error) {
        if (error instanceof ConformanceError) throw error;
        throw new ConformanceError(`expected that no call fails, found ${toShown(error)}`, { cause: error });
      }
    },
  };
}

/** What the law itself throws, apart from what a provider throws where it must not. */
class ConformanceError extends Error {
  override readonly name = 'BrokenLaw';
}

export function expectThat(isTrue: boolean, what: string, expected: string, found: unknown): void {
  if (!isTrue) throw new ConformanceError(`${what}: expected ${expected}, found ${toShown(found)}`);
}

/** Plain values, compared deeply. */
export function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) throw new ConformanceError(`${what}: expected ${toShown(expected)}, found ${toShown(found)}`);
}

const shownCharacters = 600;

function toShown(value: unknown): string {
  const text = value instanceof Error ? `${value.name}: ${value.message}` : (JSON.stringify(value) ?? String(value));
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}

/** Whether `value` is the same after a way through JSON text: no undefined, Date, Map, NaN, bigint, function or object of a class. */
export function expectJson(what: string, value: unknown): void {
  const problem = findNonJson(value, '', new Set());
  if (problem !== null) throw new ConformanceError(`${what}: expected JSON, found ${problem}`);
}

function findNonJson(value: unknown, path: string, above: ReadonlySet<unknown>): string | null {
  const place = path === '' ? 'the value itself' : path;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? null : `the number ${value} at ${place}`;
  if (typeof value !== 'object') return `${typeof value} at ${place}`;
  if (above.has(value)) return `a circle at ${place}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null;
  if (!isPlain) return `a ${(value.constructor as { name?: string } | undefined)?.name ?? 'strange object'} at ${place}`;
  const within = new Set([...above, value]);
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...(value as unknown[]).entries()] : Object.entries(value);
  for (const [key, item] of entries) {
    const problem = findNonJson(item, `${path}.${key}`, within);
    if (problem !== null) return problem;
  }
  return null;
}

/** What the store gives back for a value that was stored. */
export function toStored<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freezeDeep);
  }
  return value;
}

/** Runs `use` in a new world, with the context of its first attempt. */
export async function inEnvironment<World extends ConformanceEnvironment, T>(
  subject: ConformanceTarget<World>,
  use: (environment: World) => Promise<T>,
): Promise<T> {
  const environment = await subject.createEnvironment();
  try {
    return await use(environment);
  } finally {
    await environment.close?.();
  }
}

export function toLiveSignal(): AbortSignal {
  return new AbortController().signal;
}

interface Outcome {
  readonly end: 'resolved' | 'rejected' | 'pending';
}

/** How a call has ended after so many milliseconds; a call that is still pending is left to itself. */
export async function toOutcome(call: () => Promise<unknown>, withinMs: number): Promise<Outcome> {
  const timer = Promise.withResolvers<Outcome>();
  const timeout = setTimeout(() => timer.resolve({ end: 'pending' }), withinMs);
  try {
    // Called inside a promise: a function that throws at once counts as one that rejects.
    const called = Promise.resolve().then(call);
    const ended = called.then<Outcome, Outcome>(
      () => ({ end: 'resolved' }),
      () => ({ end: 'rejected' }),
    );
    return await Promise.race([ended, timer.promise]);
  } finally {
    clearTimeout(timeout);
  }
}

/** Whether an error is one that the core can store and explain: a Failure, or a SubmitFailure that holds one as data. */
export function expectFailure(what: string, error: unknown): void {
  if (isFailure(error)) return;
  expectThat(error instanceof SubmitFailure, what, 'a Failure or a SubmitFailure', error);
  const { sent, failure } = error as SubmitFailure;
  expectThat(['no', 'refused', 'limited', 'unknown'].includes(sent), `${what}: sent`, 'one of no, refused, limited, unknown', sent);
  expectFailureData(what, failure);
}

export function expectFailureData(what: string, failure: FailureData): void {
  expectJson(what, failure);
  expectThat(failure.code in failureKinds, `${what}: code`, `one of ${Object.keys(failureKinds).join(', ')}`, failure.code);
  expectThat(failure.message.trim() !== '', `${what}: message`, 'a sentence', failure.message);
}

/** ISO 8601 in UTC, as `Date` writes it. */
export function expectIsoTime(what: string, time: string): void {
  const isTime = !Number.isNaN(Date.parse(time)) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(time);
  expectThat(isTime, what, 'a time such as 2026-01-31T12:00:00.000Z', time);
}

/** What a call that must fail throws. */
export async function toError(label: string, call: () => Promise<unknown>): Promise<unknown> {
  const value = await call().then(
    (found) => ({ found }),
    (error: unknown) => ({ error }),
  );
  if ('error' in value) return value.error;
  throw new ConformanceError(`${label}: expected a call that fails, found ${JSON.stringify(value.found)}`);
}

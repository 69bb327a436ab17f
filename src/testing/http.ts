import { inspect } from 'node:util';
import { isFailure } from '../errors.ts';
import { faultCases, type FaultCase, type HttpFault } from './http-fault.ts';
import { expectFailure, expectThat, createTest } from './checks.ts';
import type { ConformanceTest } from './subject.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';

/** A place of its own, with a service that answers as it should until it is told otherwise. */
export interface HttpEnvironment {
  /** How the service answers every request from now on. */
  misbehave(fault: HttpFault): Promise<void> | void;
  /** Requests that have arrived since `misbehave`. */
  arrivals(): readonly HttpArrival[];
  close(): Promise<void>;
}

export interface HttpArrival {
  /** Whether it arrived at the origin that `redirect-away` leads to. */
  readonly isForeign: boolean;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A call that asks the service something. */
export interface HttpCall<World extends HttpEnvironment> {
  /** Whether it may cost: it then sends one request and throws SubmitFailure. */
  readonly isCreate: boolean;
  run(environment: World, signal: AbortSignal): Promise<unknown>;
}

export interface HttpTarget<World extends HttpEnvironment = HttpEnvironment> {
  createEnvironment(): Promise<World>;
  readonly calls: Readonly<Record<string, HttpCall<World>>>;
  /** How long one request of these worlds may take, with all that belongs to it. Pauses between tries must not take real time. */
  readonly deadlineMs: number;
  /** How many requests one after the other a call makes at most when each takes its whole deadline; 1 when absent. */
  readonly requests?: number;
  /** The credentials in these worlds: made up, long, and found nowhere else. */
  readonly secrets: readonly string[];
}

/** What the machine may need beyond the deadline. */
const slackMs = 3000;

/**
 * What every provider promises of its calls, whatever the service does: they end with a typed failure, within the deadline, without a
 * credential in what they throw or at another origin; and a call that may cost sends one request and says what is known of it.
 *
 *     for (const law of httpLaw(subject)) test(law.name, law.check);
 */
export function httpTests<World extends HttpEnvironment>(subject: HttpTarget<World>): readonly ConformanceTest[] {
  return [
    createTest('calls are answered by a service that answers', null, async () => {
      await inEachCall(subject, async (name, call, environment) => {
        const end = await toEnd(call.run(environment, new AbortController().signal), toLongestMs(subject));
        expectThat('value' in end, `${name} of a good service`, 'an answer', 'error' in end ? end.error : end);
      });
    }),
    ...Object.entries(faultCases).map(([what, one]) =>
      createTest(`calls end well with ${what}`, null, async () => {
        await inEachCall(
          subject,
          async (name, call, environment) => await checkCase(subject, { name: `${name} with ${what}`, call, environment, one }),
        );
      }),
    ),
    ...(['half-open', 'slow-head', 'slow-body'] as const).map((kind) =>
      createTest(`an abort ends calls at once, of a service that is ${kind}`, null, async () => {
        await inEachCall(
          subject,
          async (name, call, environment) => await checkAbort({ name, call, environment, kind, withinMs: toLongestMs(subject) }),
        );
      }),
    ),
  ];
}

async function inEachCall<World extends HttpEnvironment>(
  { createEnvironment, calls }: HttpTarget<World>,
  use: (name: string, call: HttpCall<World>, environment: World) => Promise<void>,
): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const environment = await createEnvironment();
    try {
      await use(name, call, environment);
    } finally {
      await environment.close();
    }
  }
}

type End = { readonly value: unknown } | { readonly error: unknown } | { readonly pending: true };

async function toEnd(called: Promise<unknown>, withinMs: number): Promise<End> {
  const late = Promise.withResolvers<End>();
  const timeout = setTimeout(() => late.resolve({ pending: true }), withinMs);
  const ended = called.then(
    (value): End => ({ value }),
    (error: unknown): End => ({ error }),
  );
  return await Promise.race([ended, late.promise]).finally(() => clearTimeout(timeout));
}

function toLongestMs({ deadlineMs, requests = 1 }: Pick<HttpTarget, 'deadlineMs' | 'requests'>): number {
  return deadlineMs * requests + slackMs;
}

interface Met<World extends HttpEnvironment> {
  readonly name: string;
  readonly call: HttpCall<World>;
  readonly environment: World;
  readonly one: FaultCase;
}

async function checkCase<World extends HttpEnvironment>(
  subject: HttpTarget<World>,
  { name, call, environment, one }: Met<World>,
): Promise<void> {
  await environment.misbehave(one.fault);
  const withinMs = toLongestMs(subject);
  const end = await toEnd(call.run(environment, new AbortController().signal), withinMs);
  expectThat(!('pending' in end), name, `an end within ${withinMs} ms`, 'none');
  const arrivals = environment.arrivals();
  const leaked = arrivals.filter(({ isForeign, headers }) => isForeign && holdsSecret(headers, subject.secrets));
  expectThat(leaked.length === 0, `${name}: credentials at another origin`, 'none', `${leaked.length} requests with one`);
  if (call.isCreate) checkCreate({ name, end, one, count: arrivals.length });
  else if (!('value' in end && one.mayAnswer === true)) {
    expectThat('error' in end, name, 'a failure', end);
    expectFailure(name, (end as { error: unknown }).error);
  }
  if ('error' in end) expectThat(!holdsSecret(end.error, subject.secrets), `${name}: what was thrown`, 'no credential in it', 'one');
}

function checkCreate({ name, end, one, count }: { name: string; end: End; one: FaultCase; count: number }): void {
  const expected = one.sent === 'no' ? 0 : 1;
  expectThat(count === expected, `${name}: requests`, String(expected), count);
  const error = 'error' in end ? end.error : null;
  expectThat(error instanceof SubmitFailure || (one.sent === 'unknown' && isFailure(error)), name, 'a SubmitFailure', end);
  const sent = error instanceof SubmitFailure ? error.sent : 'unknown';
  expectThat(sent === one.sent, `${name}: what is known of the request`, one.sent, sent);
  expectFailure(name, error);
}

async function checkAbort<World extends HttpEnvironment>({
  name,
  call,
  environment,
  kind,
  withinMs,
}: {
  name: string;
  call: HttpCall<World>;
  environment: World;
  kind: 'half-open' | 'slow-head' | 'slow-body';
  withinMs: number;
}): Promise<void> {
  await environment.misbehave({ kind });
  const controller = new AbortController();
  const called = call.run(environment, controller.signal);
  await untilArrived(environment, called);
  controller.abort();
  const end = await toEnd(called, withinMs);
  // A call that did not listen ends too, by its deadline.
  const hasListened = 'error' in end && toCode(end.error) !== 'timeout';
  expectThat(hasListened, `${name} after an abort, of a service that is ${kind}`, 'an end by the abort', end);
}

function toCode(error: unknown): string | null {
  if (error instanceof SubmitFailure) return error.failure.code;
  return isFailure(error) ? error.code : null;
}

/** Until a request has arrived, or the call has ended without one. */
async function untilArrived(environment: HttpEnvironment, called: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  const onEnd = (): void => void (hasEnded = true);
  called.then(onEnd, onEnd);
  while (environment.arrivals().length === 0 && !hasEnded) await new Promise((resolve) => void setImmediate(resolve));
}

function holdsSecret(value: unknown, secrets: readonly string[]): boolean {
  // Shows what JSON leaves out: causes of errors, headers, private fields of requests.
  const text = inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
  const forms = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  ]);
  return forms.some((form) => text.includes(form));
}

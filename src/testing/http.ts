import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { isFailure } from '../errors.ts';
import { faultCases, type FaultCase } from './http-fault.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';
import { assertFailure, assertNoSecret, waitForEnd, type CallEnd } from './assertions.ts';
import { createLiveSignal, createTest, inEnvironment } from './environment.ts';
import type { ConformanceTest, HttpCall, HttpEnvironment, HttpTarget } from './target.ts';

/** What the machine may need beyond the deadline. */
const slackMs = 3000;

/**
 * What every provider promises of its calls, whatever the service does: they end with a typed failure, within the deadline, without a
 * credential in what they throw or at another origin; and a call that may cost sends one request and says what is known of it.
 */
export function httpTests<Environment extends HttpEnvironment>(target: HttpTarget<Environment>): readonly ConformanceTest[] {
  const longestMs = target.deadlineMs * (target.requests ?? 1) + slackMs;
  const createForEach = (name: string, use: (tried: TriedCall<Environment>) => Promise<void>): ConformanceTest =>
    createTest(name, null, async () => {
      for (const [label, call] of Object.entries(target.calls))
        await inEnvironment(target, async (environment) => await use({ label, call, environment, longestMs }));
    });
  return [
    createForEach('calls are answered by a service that answers', async ({ label, call, environment }) => {
      const end = await waitForEnd(async () => await call.run(environment, createLiveSignal()), longestMs);
      assert.ok('value' in end, `${label} of a good service: expected an answer, found ${inspect(end)}`);
    }),
    ...Object.entries(faultCases).map(([what, faultCase]) =>
      createForEach(`calls end well with ${what}`, async (tried) => {
        await checkCase(target, { ...tried, label: `${tried.label} with ${what}` }, faultCase);
      }),
    ),
    ...(['half-open', 'slow-head', 'slow-body'] as const).map((kind) =>
      createForEach(`an abort ends calls at once, of a service that is ${kind}`, async (tried) => await checkAbort(tried, kind)),
    ),
  ];
}

interface TriedCall<Environment extends HttpEnvironment> {
  readonly label: string;
  readonly call: HttpCall<Environment>;
  readonly environment: Environment;
  readonly longestMs: number;
}

async function checkCase<Environment extends HttpEnvironment>(
  { secrets }: HttpTarget<Environment>,
  { label, call, environment, longestMs }: TriedCall<Environment>,
  { fault, sent, mayAnswer }: FaultCase,
): Promise<void> {
  await environment.misbehave(fault);
  const end = await waitForEnd(async () => await call.run(environment, createLiveSignal()), longestMs);
  assert.ok(!('pending' in end), `${label}: expected an end within ${longestMs} ms, found none`);
  const arrivals = environment.arrivals();
  for (const { headers } of arrivals.filter(({ isForeign }) => isForeign)) assertNoSecret(`${label}: at another origin`, headers, secrets);
  if (call.isCreate) checkCreate(label, end, { sent, count: arrivals.length });
  else if (!('value' in end && mayAnswer === true)) {
    assert.ok('error' in end, `${label}: expected a failure, found ${inspect(end)}`);
    assertFailure(label, end.error);
  }
  if ('error' in end) assertNoSecret(`${label}: what was thrown`, end.error, secrets);
}

/** A create sends one request, and says of it what is known. Anything that it throws but a SubmitFailure means "unknown". */
function checkCreate(label: string, end: CallEnd, { sent, count }: { readonly sent: FaultCase['sent']; readonly count: number }): void {
  const expected = sent === 'no' ? 0 : 1;
  assert.ok(count === expected, `${label}: expected ${expected} requests, found ${count}`);
  const error = 'error' in end ? end.error : null;
  const isTyped = error instanceof SubmitFailure || (sent === 'unknown' && isFailure(error));
  assert.ok(isTyped, `${label}: expected a SubmitFailure, found ${inspect(end)}`);
  const found = error instanceof SubmitFailure ? error.sent : 'unknown';
  assert.ok(found === sent, `${label}: expected "${sent}" for what is known of the request, found "${found}"`);
  assertFailure(label, error);
}

async function checkAbort<Environment extends HttpEnvironment>(
  { label, call, environment, longestMs }: TriedCall<Environment>,
  kind: 'half-open' | 'slow-head' | 'slow-body',
): Promise<void> {
  await environment.misbehave({ kind });
  const controller = new AbortController();
  const called = call.run(environment, controller.signal);
  await waitForArrival(environment, called);
  controller.abort();
  const end = await waitForEnd(async () => await called, longestMs);
  // A call that did not listen ends too, by its deadline.
  const hasListened = 'error' in end && getCode(end.error) !== 'timeout';
  assert.ok(hasListened, `${label} after an abort, of a service that is ${kind}: expected an end by the abort, found ${inspect(end)}`);
}

function getCode(error: unknown): string | null {
  if (error instanceof SubmitFailure) return error.failure.code;
  return isFailure(error) ? error.code : null;
}

/** Until a request has arrived, or the call has ended without one. */
async function waitForArrival(environment: HttpEnvironment, called: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  const onEnd = (): void => void (hasEnded = true);
  called.then(onEnd, onEnd);
  while (environment.arrivals().length === 0 && !hasEnded) await new Promise((resolve) => void setImmediate(resolve));
}

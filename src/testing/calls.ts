import { expectEqual, expectFailure, expectThat, inEnvironment, toError, createTest, toOutcome } from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';

/** How long a call may take to end after an abort. */
const promptMs = 5000;

/** How calls end that are aborted, or that fail. */
export function createCallTests<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>): ConformanceTest[] {
  const { base } = subject.inputs;
  const inEach = (use: (environment: World) => Promise<void>) => async () => await inEnvironment(subject, use);
  return [
    createTest(
      'an aborted signal ends prepare, create, find and observe, and nothing is created',
      null,
      inEach(async (environment) => {
        const ready = await makeReady(environment, base);
        const aborted = environment.toAttempt(base.key, 1, AbortSignal.abort());
        await expectRejections(toSubmitCalls(environment, ready), async (call) => await call(aborted));
        await ready.context.wait(environment.provider.listingDelayMs);
        expectEqual('find after a create whose signal was aborted', await look(environment, ready, []), []);
        const job = await environment.provider.training.create(ready.wire, ready.context);
        await expectRejections(toLookCalls(environment, ready, job), async (call) => await call(aborted));
      }),
    ),
    createTest(
      'an abort ends a call that waits for the service',
      subject.stall === undefined ? 'stall' : null,
      inEach(async (environment) => {
        const first = await makeReady(environment, base);
        const job = await environment.provider.training.create(first.wire, first.context);
        const next = await makeReady(environment, base, 2);
        await subject.stall!(environment);
        await expectRejections({ ...toSubmitCalls(environment, next), ...toLookCalls(environment, next, job) }, async (call) => {
          const controller = new AbortController();
          const ended = call(environment.toAttempt(base.key, 2, controller.signal));
          setTimeout(() => controller.abort(), 0);
          await ended;
        });
      }),
    ),
    createTest('a call that fails throws a Failure or a SubmitFailure', subject.failing === undefined ? 'failing' : null, async () => {
      for (const [label, call] of Object.entries(subject.failing!)) {
        const error = await inEnvironment(subject, async (environment) => await toError(label, async () => await call(environment)));
        expectFailure(label, error);
      }
    }),
  ];
}

type Call = (context: Attempt) => Promise<unknown>;

function toSubmitCalls({ provider }: ConformanceEnvironment, { request, wire }: Ready): Readonly<Record<string, Call>> {
  return {
    prepare: async (context) => await provider.training.prepare(request, context),
    create: async (context) => await provider.training.create(wire, context),
  };
}

function toLookCalls({ provider }: ConformanceEnvironment, { request, prepared }: Ready, job: JobRef): Readonly<Record<string, Call>> {
  return {
    find: async (context) => await provider.training.find(request, [prepared], context),
    observe: async (context) => await provider.training.observe(job, null, context),
  };
}

async function expectRejections(calls: Readonly<Record<string, Call>>, run: (call: Call) => Promise<unknown>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const { end } = await toOutcome(async () => await run(call), promptMs);
    expectThat(end === 'rejected', `${name} with an aborted signal`, `a rejection within ${promptMs} ms`, end);
  }
}

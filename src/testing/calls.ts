import { expectEqual, expectFailure, expectThat, inWorld, toError, toLaw, toOutcome } from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { Law, LawSubject, LawWorld } from './subject.ts';
import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';

/** How long a call may take to end after an abort. */
const promptMs = 5000;

/** How calls end that are aborted, or that fail. */
export function toCallLaws<World extends LawWorld>(subject: LawSubject<World>): Law[] {
  const { base } = subject.inputs;
  const inEach = (use: (world: World) => Promise<void>) => async () => await inWorld(subject, use);
  return [
    toLaw(
      'an aborted signal ends prepare, create, find and observe, and nothing is created',
      null,
      inEach(async (world) => {
        const ready = await makeReady(world, base);
        const aborted = world.toAttempt(base.key, 1, AbortSignal.abort());
        await expectRejections(toSubmitCalls(world, ready), async (call) => await call(aborted));
        await ready.c.wait(world.provider.settleMs);
        expectEqual('find after a create whose signal was aborted', await look(world, ready, []), []);
        const job = await world.provider.create(ready.wire, ready.c);
        await expectRejections(toLookCalls(world, ready, job), async (call) => await call(aborted));
      }),
    ),
    toLaw(
      'an abort ends a call that waits for the service',
      subject.stall === undefined ? 'stall' : null,
      inEach(async (world) => {
        const first = await makeReady(world, base);
        const job = await world.provider.create(first.wire, first.c);
        const next = await makeReady(world, base, 2);
        await subject.stall!(world);
        await expectRejections({ ...toSubmitCalls(world, next), ...toLookCalls(world, next, job) }, async (call) => {
          const controller = new AbortController();
          const ended = call(world.toAttempt(base.key, 2, controller.signal));
          setTimeout(() => controller.abort(), 0);
          await ended;
        });
      }),
    ),
    toLaw('a call that fails throws a Failure or a SubmitFailure', subject.failing === undefined ? 'failing' : null, async () => {
      for (const [label, call] of Object.entries(subject.failing!)) {
        const error = await inWorld(subject, async (world) => await toError(label, async () => await call(world)));
        expectFailure(label, error);
      }
    }),
  ];
}

type Call = (c: Attempt) => Promise<unknown>;

function toSubmitCalls({ provider }: LawWorld, { request, wire }: Ready): Readonly<Record<string, Call>> {
  return { prepare: async (c) => await provider.prepare(request, c), create: async (c) => await provider.create(wire, c) };
}

function toLookCalls({ provider }: LawWorld, { request, prepared }: Ready, job: JobRef): Readonly<Record<string, Call>> {
  return { find: async (c) => await provider.find(request, [prepared], c), observe: async (c) => await provider.observe(job, null, c) };
}

async function expectRejections(calls: Readonly<Record<string, Call>>, run: (call: Call) => Promise<unknown>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const { end } = await toOutcome(async () => await run(call), promptMs);
    expectThat(end === 'rejected', `${name} with an aborted signal`, `a rejection within ${promptMs} ms`, end);
  }
}

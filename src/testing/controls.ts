import { expectEqual, expectThat, inWorld, toLaw, toStored } from './checks.ts';
import { pauseMs, type Look } from './life.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { Law, LawSubject, LawWorld } from './subject.ts';
import type { JobRef } from '../provider/job.ts';
import { isTerminalPhase, type Phase } from '../provider/status.ts';

/** What `cancel`, `pause` and `resume` promise. The core asks again with each look until it has seen the effect. */
export function toSteerLaws<World extends LawWorld>(subject: LawSubject<World>): Law[] {
  const { cancel, pause, resume } = subject.provider;
  const lacks = pause === undefined ? 'pause' : resume === undefined ? 'resume' : null;
  return [
    toLaw(
      'cancel may be asked again, of a job that runs and of one that has ended',
      cancel === undefined ? 'cancel' : null,
      async () => await inWorld(subject, async (world) => await checkCancel(subject, world)),
    ),
    toLaw(
      'a paused job goes on when it is resumed, and both may be asked again',
      lacks,
      async () => await inWorld(subject, async (world) => await checkPause(subject, world)),
    ),
  ];
}

/** A job that runs until it is stopped, where the subject has such a one. */
async function start<World extends LawWorld>({ ends, inputs }: LawSubject<World>, world: World): Promise<{ ready: Ready; job: JobRef }> {
  const ready = await makeReady(world, ends.cancelled?.input ?? inputs.base);
  return { ready, job: await world.provider.create(ready.wire, ready.c) };
}

/** Looks until the phase is one that is waited for. */
async function follow(
  { provider }: LawWorld,
  { c }: Ready,
  until: { job: JobRef; what: string; isIt(phase: Phase): boolean },
): Promise<Look> {
  let seen = await provider.observe(until.job, null, c);
  for (let looks = 0; !until.isIt(seen.status.phase); looks++) {
    expectThat(looks < 10_000 && !isTerminalPhase(seen.status.phase), 'the job', until.what, seen.status);
    await c.wait(seen.nextInMs ?? pauseMs);
    seen = await provider.observe(until.job, toStored(seen.cursor), c);
  }
  return seen;
}

async function checkCancel<World extends LawWorld>(subject: LawSubject<World>, world: World): Promise<void> {
  const { ready, job } = await start(subject, world);
  await world.provider.cancel!(job, ready.c);
  await world.provider.cancel!(job, ready.c);
  await subject.ends.cancelled?.bring?.(world, job);
  await follow(world, ready, { job, what: 'an end of a job that was cancelled', isIt: isTerminalPhase });
  await world.provider.cancel!(job, ready.c);
}

async function checkPause<World extends LawWorld>(subject: LawSubject<World>, world: World): Promise<void> {
  const { ready, job } = await start(subject, world);
  await world.provider.pause!(job, ready.c);
  await world.provider.pause!(job, ready.c);
  await follow(world, ready, { job, what: 'the phase "paused" after a pause', isIt: (phase) => phase === 'paused' });
  await world.provider.resume!(job, ready.c);
  const resumed = await world.provider.resume!(job, ready.c);
  await follow(world, ready, { job: resumed, what: 'another phase after a resume', isIt: (phase) => phase !== 'paused' });
  const found = await look(world, ready, [resumed]);
  expectEqual(
    'find after two times resume',
    found.map(({ id }) => id),
    [resumed.id],
  );
}

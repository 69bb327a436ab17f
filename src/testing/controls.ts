import { expectEqual, expectThat, inEnvironment, createTest, toStored } from './checks.ts';
import { pauseMs, type Look } from './life.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import type { JobRef } from '../provider/job.ts';
import { isTerminalPhase, type Phase } from '../provider/status.ts';

/** What `cancel`, `pause` and `resume` promise. The core asks again with each look until it has seen the effect. */
export function createControlTests<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>): ConformanceTest[] {
  const { cancel, pause, resume } = subject.provider.training;
  const lacks = pause === undefined ? 'pause' : resume === undefined ? 'resume' : null;
  return [
    createTest(
      'cancel may be asked again, of a job that runs and of one that has ended',
      cancel === undefined ? 'cancel' : null,
      async () => await inEnvironment(subject, async (environment) => await checkCancel(subject, environment)),
    ),
    createTest(
      'a paused job goes on when it is resumed, and both may be asked again',
      lacks,
      async () => await inEnvironment(subject, async (environment) => await checkPause(subject, environment)),
    ),
  ];
}

/** A job that runs until it is stopped, where the subject has such a one. */
async function start<World extends ConformanceEnvironment>(
  { ends, inputs }: ConformanceTarget<World>,
  environment: World,
): Promise<{ ready: Ready; job: JobRef }> {
  const ready = await makeReady(environment, ends.cancelled?.input ?? inputs.base);
  return { ready, job: await environment.provider.training.create(ready.wire, ready.context) };
}

/** Looks until the phase is one that is waited for. */
async function follow(
  { provider }: ConformanceEnvironment,
  { context }: Ready,
  until: { job: JobRef; what: string; isIt(phase: Phase): boolean },
): Promise<Look> {
  let seen = await provider.training.observe(until.job, null, context);
  for (let looks = 0; !until.isIt(seen.status.phase); looks++) {
    expectThat(looks < 10_000 && !isTerminalPhase(seen.status.phase), 'the job', until.what, seen.status);
    await context.wait(seen.nextInMs ?? pauseMs);
    seen = await provider.training.observe(until.job, toStored(seen.cursor), context);
  }
  return seen;
}

async function checkCancel<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>, environment: World): Promise<void> {
  const { ready, job } = await start(subject, environment);
  await environment.provider.training.cancel!(job, ready.context);
  await environment.provider.training.cancel!(job, ready.context);
  await subject.ends.cancelled?.bring?.(environment, job);
  await follow(environment, ready, { job, what: 'an end of a job that was cancelled', isIt: isTerminalPhase });
  await environment.provider.training.cancel!(job, ready.context);
}

async function checkPause<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>, environment: World): Promise<void> {
  const { ready, job } = await start(subject, environment);
  await environment.provider.training.pause!(job, ready.context);
  await environment.provider.training.pause!(job, ready.context);
  await follow(environment, ready, { job, what: 'the phase "paused" after a pause', isIt: (phase) => phase === 'paused' });
  await environment.provider.training.resume!(job, ready.context);
  const resumed = await environment.provider.training.resume!(job, ready.context);
  await follow(environment, ready, { job: resumed, what: 'another phase after a resume', isIt: (phase) => phase !== 'paused' });
  const found = await look(environment, ready, [resumed]);
  expectEqual(
    'find after two times resume',
    found.map(({ id }) => id),
    [resumed.id],
  );
}

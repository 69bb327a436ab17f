/** Pause, resume and cancel: a trainer that lives is asked by its control file; for one that does not, its part is done here. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, isFailure } from '../../src/errors.ts';
import { writeAtomicJson } from '../../src/lib/fs.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { listCheckpoints, readControlRequest, type ControlFile, type TrainerEvent } from '../../src/trainer/protocol.ts';
import { bringModelAgain } from './base-model.ts';
import { getLastStatus, isEnd, type LocalStatus } from './observe.ts';
import {
  appendEvent,
  eventsBegin,
  isTrainerAlive,
  pollTrainer,
  readLogTail,
  readTrainerEvents,
  startTrainer,
  takeTrainerLock,
  type EventPosition,
} from './run-folder.ts';

/** Longer than anybody holds the lock who only asks whether a trainer lives. */
const instantMs = 100;

/** Stops the training for good. A paused or interrupted one ends at once; its checkpoints are left. */
export async function cancel(_job: JobRef, context: Attempt): Promise<void> {
  await writeControl(context, { command: 'cancel' });
  await endHere(context, (status, { step }) =>
    isEnd(status) ? null : { type: 'training-cancelled', at: context.now().toISOString(), step },
  );
}

/** Stops the training where it can go on. An interrupted one is paused at its newest checkpoint. */
export async function pause(_job: JobRef, context: Attempt): Promise<void> {
  if (readControlRequest(context.workDir) !== 'cancel') await writeControl(context, { command: 'pause' });
  await endHere(context, (status, { checkpoint: step }) =>
    isEnd(status) || status === 'paused' || status === 'stopped'
      ? null
      : { type: 'training-paused', at: context.now().toISOString(), step },
  );
}

/**
 * Starts a trainer again where none lives and the training has not ended. One that has been asked to pause may be about to stop: it is
 * waited for.
 *
 * @throws Failure `trainer-died` when the trainer ends before it begins
 */
export async function resume(job: JobRef, context: Attempt): Promise<JobRef> {
  const { workDir } = context;
  const isPaused = readControlRequest(workDir) === 'pause';
  const { position: before } = await readTrainerEvents(workDir, eventsBegin);
  if (isPaused) await rm(getControlPath(context), { force: true });
  if (isTrainerAlive(workDir, instantMs) && !(isPaused && (await isStopping(context, before)))) return job;
  const { events, position } = await readTrainerEvents(workDir, eventsBegin);
  if (isEnd(getLastStatus(events, 'starting'))) return job;
  await bringModelAgain(context);
  const started = await startTrainer(context, async () => {
    const { events: written } = await readTrainerEvents(workDir, position);
    return written.find((event) => event.type === 'trainer-started') ?? null;
  });
  // Another process may have started one at the same moment: only one of the two gets the lock.
  if (started === null && !isTrainerAlive(workDir, instantMs)) {
    throw new Failure('trainer-died', `the trainer ended before it went on: ${await readLogTail(workDir)}`);
  }
  return job;
}

/** Waits until the trainer is gone (true), or has taken a step since: then it has not read the pause (false). */
async function isStopping(context: Attempt, before: EventPosition): Promise<boolean> {
  const look = async (): Promise<boolean | null> => {
    if (!isTrainerAlive(context.workDir, instantMs)) return true;
    const { events } = await readTrainerEvents(context.workDir, before);
    return events.some((event) => event.type === 'step-finished' || event.type === 'model-written') ? false : null;
  };
  const timeout = new Failure('timeout', 'the trainer neither stops nor takes another step');
  return await pollTrainer(look, context, () => timeout).catch((error: unknown) => {
    if (isFailure(error, 'timeout')) return false; // a long step: the pause was taken back in time
    throw error;
  });
}

interface Steps {
  /** The last finished step, and the one of the newest checkpoint; 0 before the first. */
  readonly step: number;
  readonly checkpoint: number;
}

/** Writes an event in the place of a trainer that has started and does not live. One that lives reads its control file. */
async function endHere(context: Attempt, buildEvent: (status: LocalStatus, steps: Steps) => TrainerEvent | null): Promise<void> {
  const { workDir } = context;
  const lock = takeTrainerLock(workDir, instantMs);
  if (lock === null) return;
  try {
    const { events } = await readTrainerEvents(workDir, eventsBegin);
    if (!events.some((event) => event.type === 'trainer-started')) return;
    const step = events.findLast((event) => event.type === 'step-finished')?.step ?? 0;
    const checkpoint = listCheckpoints(join(workDir, 'checkpoints'))[0] ?? 0;
    const event = buildEvent(getLastStatus(events, 'starting'), { step, checkpoint });
    if (event !== null) await appendEvent(workDir, event);
  } finally {
    lock.release();
  }
}

function getControlPath({ workDir }: Attempt): string {
  return join(workDir, 'control.json');
}

async function writeControl(context: Attempt, control: ControlFile): Promise<void> {
  await writeAtomicJson(getControlPath(context), control, 'file of the run');
}

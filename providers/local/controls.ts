/** Pause, resume and cancel: asked of a trainer that lives by its control file, done in its place where it does not. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { takeRunLock } from '../../src/lib/run-lock.ts';
import type { ControlFile, TrainerEvent } from '../../src/trainer/protocol.ts';
import {
  appendEvent,
  eventsBegin,
  isTrainerAlive,
  listCheckpoints,
  readLogTail,
  readTrainerEvents,
  writeJsonFile,
  type EventsRead,
} from './run-folder.ts';
import { startLookMs, startMs, startTrainer } from './start-trainer.ts';
import { isEnd, toLastWord, type LocalWord } from './status.ts';

/** Longer than anybody holds the lock who only looks. */
const instantMs = 100;

/** Stops the training for good. A paused or interrupted one ends at once; its checkpoints are left. */
export async function cancel(_job: JobRef, context: Attempt): Promise<void> {
  await writeControl(context, 'cancel');
  await endHere(context, (word, { step }) => (isEnd(word) ? null : { type: 'training-cancelled', at: context.now().toISOString(), step }));
}

/** Stops the training where it can go on. An interrupted one is paused at its newest checkpoint. */
export async function pause(_job: JobRef, context: Attempt): Promise<void> {
  if ((await readControl(context)) !== 'cancel') await writeControl(context, 'pause');
  await endHere(context, (word, { checkpoint: step }) =>
    isEnd(word) || word === 'paused' ? null : { type: 'training-paused', at: context.now().toISOString(), step },
  );
}

/**
 * Starts a trainer again where none lives and the training has not ended. One that has been asked to pause may be about to stop: it is
 * waited for.
 *
 * @throws Failure `trainer-died` when the trainer ends before it begins
 */
export async function resume(job: JobRef, context: Attempt): Promise<JobRef> {
  const isPaused = (await readControl(context)) === 'pause';
  const before = await readTrainerEvents(context.workDir, eventsBegin);
  if (isPaused) await rm(toControlPath(context), { force: true });
  if (isTrainerAlive(context.workDir, instantMs) && !(isPaused && (await isStopping(context, before)))) return job;
  const { events, location } = await readTrainerEvents(context.workDir, eventsBegin);
  if (isEnd(toLastWord(events, 'starting'))) return job;
  const started = await startTrainer(context, async () => {
    const { events: reported } = await readTrainerEvents(context.workDir, location);
    return reported.find((event) => event.type === 'trainer-started') ?? null;
  });
  // Another process may have started one at the same moment: the lock leaves one of the two.
  if (started === undefined) throw new Failure('trainer-died', `the trainer gave no sign of life within ${startMs / 1000} s`);
  if (started === null && !isTrainerAlive(context.workDir, instantMs)) {
    throw new Failure('trainer-died', `the trainer ended before it went on: ${await readLogTail(context.workDir)}`);
  }
  return job;
}

/** Waits until the trainer is gone (true), or tells of a step that it has taken since: then it has not read the pause (false). */
async function isStopping(context: Attempt, before: EventsRead): Promise<boolean> {
  for (let waited = 0; waited < startMs; waited += startLookMs) {
    if (!isTrainerAlive(context.workDir, instantMs)) return true;
    const { events } = await readTrainerEvents(context.workDir, before.location);
    if (events.some((event) => event.type === 'step-finished' || event.type === 'model-written')) return false;
    await context.wait(startLookMs);
  }
  return false;
}

interface Stand {
  /** The last step that was told, and the one of the newest checkpoint; 0 before the first. */
  readonly step: number;
  readonly checkpoint: number;
}

/** Tells an event in the place of a trainer that started and does not live. Where one lives, nothing is done: it reads its control file. */
async function endHere(context: Attempt, toEvent: (word: LocalWord, stand: Stand) => TrainerEvent | null): Promise<void> {
  const lock = takeRunLock(join(context.workDir, 'run.lock.db'), instantMs);
  if (lock === null) return;
  try {
    const { events } = await readTrainerEvents(context.workDir, eventsBegin);
    if (!events.some((event) => event.type === 'trainer-started')) return;
    const step = events.findLast((event) => event.type === 'step-finished')?.step ?? 0;
    const event = toEvent(toLastWord(events, 'starting'), { step, checkpoint: Math.max(0, ...(await listCheckpoints(context.workDir))) });
    if (event !== null) await appendEvent(context.workDir, event);
  } finally {
    lock.release();
  }
}

function toControlPath({ workDir }: Attempt): string {
  return join(workDir, 'control.json');
}

async function readControl(context: Attempt): Promise<ControlFile['command'] | null> {
  const path = toControlPath(context);
  return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as ControlFile).command : null;
}

async function writeControl(context: Attempt, command: ControlFile['command']): Promise<void> {
  await writeJsonFile(toControlPath(context), { command } satisfies ControlFile);
}

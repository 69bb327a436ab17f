import { join, resolve } from 'node:path';
import { toFailureData, type FailureCode } from '../errors.ts';
import { takeRunLock } from '../lib/run-lock.ts';
import { startBackend } from './backend.ts';
import { openCheckpoints } from './checkpoints.ts';
import { openClassifier } from './classifier.ts';
import { readRows } from './encode-rows.ts';
import { openEvents, type EventFile, type TrainerNews } from './event-file.ts';
import type { TrainFile } from './files.ts';
import { toModelCard } from './model-card.ts';
import { isFenced, readControlRequest } from './run-folder.ts';
import { saveModel } from './save-model.ts';
import { toStepCounts } from './schedule.ts';
import { readTrainFile } from './parse-train-file.ts';
import { train } from './train.ts';
import { createTrainingState } from './training-state.ts';

/** Status of a trainer that found the folder taken, the attempt fenced or the training ended. */
const notOurs = 75;

/** Who looks whether a trainer lives holds its lock for an instant. */
const lockMs = 500;

/**
 * Trains what `folder`/train.json says and tells in events.jsonl; what an earlier trainer has begun goes on from its newest
 * checkpoint. Returns the exit status: 0 when the training ended, was cancelled or paused, 1 after a failure (which is the last event),
 * 75 when it is another process's turn or nobody's any more.
 * `log` gets the stack of what nobody expected.
 */
export async function runTraining(folder: string, log: (text: string) => void): Promise<number> {
  const lock = takeRunLock(join(folder, 'run.lock.db'), lockMs);
  if (!lock) return notOurs;
  try {
    const events = openEvents(folder, () => new Date());
    try {
      if (events.past.hasEnded) return notOurs;
      const file = readTrainFile(folder);
      if (isFenced(folder, file.attempt)) return notOurs;
      events.tell({ type: 'trainer-started', nonce: file.nonce, attempt: file.attempt, pid: process.pid, backend: file.backend });
      return await trainFolder(folder, file, events);
    } catch (error) {
      const { code, message, hint } = toFailureData(error);
      events.tell({ type: 'training-failed', code, message, hint });
      if (code === 'unexpected') log(error instanceof Error ? (error.stack ?? message) : message);
      return 1;
    } finally {
      events.close();
    }
  } finally {
    lock.release();
  }
}

async function trainFolder(folder: string, file: TrainFile, events: EventFile): Promise<number> {
  const began = performance.now();
  const { hasStarted } = events.past; // before this trainer
  const classifier = openClassifier(await startBackend(file.backend), file.model);
  const { rows, truncated } = readRows(classifier, resolve(folder, file.rows.train));
  const validation = file.rows.validation === null ? [] : readRows(classifier, resolve(folder, file.rows.validation)).rows;
  const steps = toStepCounts({ rows: rows.length, ...file.training }).total;
  events.tell({ type: 'data-read', rows: rows.length, validationRows: validation.length, truncated, steps });

  const state = createTrainingState(file.training);
  const now = (): number => performance.now();
  const checkpoints = openCheckpoints({ folder, file, classifier, state, events, began, now });
  if (hasStarted) checkpoints.resume();
  const end = train(classifier, { rows, validation }, file.training, {
    state,
    tell: events.tell,
    readControlRequest: () => readControlRequest(folder),
    afterStep: checkpoints.afterStep,
    now,
  });
  if (end.reason === 'paused') {
    events.tell({ type: 'training-paused', step: checkpoints.keep() });
    return 0;
  }

  const isFinished = end.reason === 'finished';
  const name = isFinished ? 'model' : 'unfinished';
  const card = toModelCard({ train: file, rows: rows.length, steps: end.step, epochs: state.evaluations, unfinished: !isFinished });
  const sha256 = saveModel(classifier, join(folder, name), { source: file.model.folder, card });
  events.tell({ type: 'model-written', folder: name, step: end.best?.step ?? end.step, sha256 });
  if (isFinished) events.tell({ type: 'training-finished', step: end.step, seconds: checkpoints.toSpent() / 1000 });
  else if (end.reason === 'cancelled') events.tell({ type: 'training-cancelled', step: end.step });
  else events.tell(toDivergence(end.step + 1));
  checkpoints.remove(); // not before it is told that the training has ended: it would begin again
  return end.reason === 'diverged' ? 1 : 0;
}

function toDivergence(step: number): TrainerNews {
  return {
    type: 'training-failed',
    code: 'training-diverged' satisfies FailureCode,
    message: `expected finite numbers, found a loss, a gradient or a weight of step ${step} that is none; the weights before it are in "unfinished"`,
    hint: 'Lower the learning rate, or raise the warm-up ratio.',
  };
}

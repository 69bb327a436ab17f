import { join, resolve } from 'node:path';
import { Failure, toFailureData } from '../failure.ts';
import { takeRunLock } from '../run-lock.ts';
import { startBackend } from './backend.ts';
import { openClassifier } from './classifier.ts';
import { readRows } from './encode-rows.ts';
import type { EpochEvaluated, TrainFile } from './files.ts';
import { toModelCard } from './model-card.ts';
import { isCancelled, isFenced, openEvents, type TrainerNews } from './run-folder.ts';
import { saveModel } from './save-model.ts';
import { toStepCounts } from './schedule.ts';
import { readTrainFile } from './told-files.ts';
import { train } from './train.ts';

/** Status of a trainer that found the folder taken or the attempt fenced. */
const notOurs = 75;

/**
 * Trains what `folder`/train.json says and tells in events.jsonl. Returns the exit status: 0 when the training ended or was
 * cancelled, 1 after a failure (which is the last event), 75 when it is another process's turn.
 * `log` gets the stack of what nobody expected.
 */
export async function runTraining(folder: string, log: (text: string) => void): Promise<number> {
  const lock = takeRunLock(join(folder, 'run.lock.db'), 0);
  if (!lock) return notOurs;
  try {
    const events = openEvents(folder, () => new Date());
    try {
      const file = readTrainFile(folder);
      if (isFenced(folder, file.attempt)) return notOurs;
      events.tell({ type: 'trainer-started', nonce: file.nonce, attempt: file.attempt, pid: process.pid, backend: file.backend });
      await trainFolder(folder, file, events.tell);
      return 0;
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

async function trainFolder(folder: string, file: TrainFile, tell: (news: TrainerNews) => void): Promise<void> {
  const began = performance.now();
  const classifier = openClassifier(await startBackend(file.backend), file.model);
  const { rows, truncated } = readRows(classifier, resolve(folder, file.rows.train));
  const validation = file.rows.validation === null ? [] : readRows(classifier, resolve(folder, file.rows.validation)).rows;
  const steps = toStepCounts({ rows: rows.length, ...file.training }).total;
  tell({ type: 'data-read', rows: rows.length, validationRows: validation.length, truncated, steps });

  const epochs: EpochEvaluated[] = [];
  const end = train(classifier, { rows, validation }, file.training, {
    tell: (event) => {
      if (event.type === 'epoch-evaluated') epochs.push(event);
      tell(event);
    },
    isCancelled: () => isCancelled(folder),
    now: () => performance.now(),
  });

  const isFinished = end.reason === 'finished';
  const card = toModelCard({ train: file, rows: rows.length, steps: end.step, epochs, unfinished: !isFinished });
  const name = isFinished ? 'model' : 'unfinished';
  const sha256 = saveModel(classifier, join(folder, name), { source: file.model.folder, card });
  tell({ type: 'model-written', folder: name, step: end.best?.step ?? end.step, sha256 });
  switch (end.reason) {
    case 'finished':
      return tell({ type: 'training-finished', step: end.step, seconds: (performance.now() - began) / 1000 });
    case 'cancelled':
      return tell({ type: 'training-cancelled', step: end.step });
    case 'diverged':
      throw toDivergence(end.step + 1);
  }
}

function toDivergence(step: number): Failure {
  return new Failure(
    'training-diverged',
    `expected finite numbers, found a loss, a gradient or a weight of step ${step} that is none; the weights before it are in "unfinished"`,
    { hint: 'Lower the learning rate, or raise the warm-up ratio.' },
  );
}

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { Failure, toFailureData, toSystemCode, type FailureCode } from '../errors.ts';
import { countMemoryKills } from '../lib/memory-kills.ts';
import { takeRunLock } from '../lib/run-lock.ts';
import { chooseKernels, getBackend, startBackend, type TensorFlow } from './backends/index.ts';
import type { KernelVariant } from './kernels/index.ts';
import { openCheckpoints } from './checkpoint/checkpoints.ts';
import { openClassifier, type Classifier } from './tasks/classification/classifier.ts';
import {
  applyLabelWeights,
  applyLossSettings,
  readChosenRows,
  readRows,
  type EncodedRow,
  type ReadRowsOptions,
} from './tasks/classification/rows.ts';
import { explainMemory } from './memory.ts';
import { openEvents, type EventFile } from './event-file.ts';
import { joinQueue, waitForTurn, type Place, type Queue } from './queue.ts';
import {
  isFenced,
  listCheckpoints,
  readControlRequest,
  readTrainFile,
  type ControlRequest,
  type DataRead,
  type TrainerNews,
  type TrainFile,
} from './protocol.ts';
import { formatModelCard, saveModel } from './save-model.ts';
import { countSteps, createTrainingState, findNeededRows, train } from './engine/train.ts';
import { openWorkers, type Workers } from './workers/index.ts';

/** Status of a trainer that found the folder taken, the attempt fenced or the training ended. */
const notOurs = 75;

/** Whoever asks whether a trainer lives holds its lock for an instant. */
const lockMs = 500;

/**
 * Trains what `folder`/train.json says and writes events.jsonl; a training that an earlier trainer has begun goes on from its newest
 * checkpoint. Returns the exit status: 0 when the training ended, was cancelled or paused, 1 after a failure (which is the last
 * event; the training goes on later where this machine is to blame), 75 when another process holds the folder, the attempt is fenced or the training has ended.
 * It begins when its turn has come in the queue, where there is one. `log` gets the stack of an error that nobody expected.
 */
export async function runTraining(folder: string, log: (text: string) => void, queue: Queue | null = null): Promise<number> {
  const lock = takeRunLock(join(folder, 'run.lock.db'), lockMs);
  if (!lock) return notOurs;
  try {
    const events = openEvents(folder, () => new Date());
    let place: Place | null = null;
    try {
      if (events.past.hasEnded) return notOurs;
      const file = readTrainFile(folder);
      if (isFenced(folder, file.attempt)) return notOurs;
      place = queue && (await joinQueue(queue, folder));
      const isQueued = place !== null && place.findBlocker() !== null;
      const kernels = chooseKernels(file.backend, events.past.start);
      const { nonce, attempt, backend } = file;
      const memoryKills = countMemoryKills();
      const parallel = (file.threads ?? 1) > 1 ? { threads: file.threads, cores: availableParallelism() } : {};
      events.write({
        type: 'trainer-started',
        nonce,
        attempt,
        pid: process.pid,
        backend,
        kernels,
        ...parallel,
        ...(memoryKills !== null && { memoryKills }),
        ...(isQueued && { isQueued }),
      });
      if (place !== null && (await hasEndedInQueue(folder, place, events))) return 0;
      return await trainFolder(folder, { file, events, kernels });
    } catch (thrown) {
      const error = explainMemory(thrown);
      const { code, message, hint } = toFailureData(error);
      events.write({ type: canPass(error, code) ? 'training-stopped' : 'training-failed', code, message, hint });
      if (code === 'unexpected') log(error instanceof Error ? (error.stack ?? message) : message);
      return 1;
    } finally {
      place?.leave();
      events.close();
    }
  } finally {
    lock.release();
  }
}

/** Waits for its turn; true where it was cancelled or paused before that. */
async function hasEndedInQueue(folder: string, place: Place, events: EventFile): Promise<boolean> {
  const request = await waitForTurn(place, {
    readRequest: () => readRequest(folder),
    onWait: (behind) => events.write({ type: 'training-queued', behind }),
  });
  if (request === 'pause') events.write({ type: 'training-paused', step: listCheckpoints(join(folder, 'checkpoints'))[0] ?? 0 });
  if (request === 'cancel') events.write({ type: 'training-cancelled', step: events.past.step });
  return request !== null;
}

/** Failures of this machine that a person can repair, so that the training goes on from its newest checkpoint. */
const passing: readonly FailureCode[] = ['disk-full', 'permission-denied', 'too-many-files'];

function canPass(error: unknown, code: FailureCode): boolean {
  return passing.includes(code) || ['EIO', 'EROFS', 'EACCES', 'EPERM', 'ESTALE'].includes(toSystemCode(error) ?? '');
}

async function trainFolder(
  folder: string,
  { file, events, kernels }: { file: TrainFile; events: EventFile; kernels: KernelVariant | null },
): Promise<number> {
  const began = performance.now();
  const classifier = openClassifier(await startBackend(file.backend, kernels, file.backendThreads), file.model, file.training.adapter);
  const count = (file.threads ?? 1) - 1;
  const opening = count > 0 ? openWorkers(classifier, { count, backend: file.backend, kernels }) : Promise.resolve(null);
  opening.catch(() => {}); // it is waited for when the rows are read
  try {
    return await trainClassifier(folder, { file, events, kernels, classifier, opening, began });
  } finally {
    await (await opening.catch(() => null))?.close();
  }
}

interface OpenedTraining {
  readonly file: TrainFile;
  readonly events: EventFile;
  readonly kernels: KernelVariant | null;
  readonly classifier: Classifier;
  /** Threads that help, or null. */
  readonly opening: Promise<Workers | null>;
  readonly began: number;
}

async function trainClassifier(folder: string, training: OpenedTraining): Promise<number> {
  const { file, events, kernels, opening, began } = training;
  const now = (): number => performance.now();
  const { rows, truncated } = await readChosenRows(training.classifier, resolve(folder, file.rows.train), {
    choose: (count) => findNeededRows(count, file.training),
    onRead: createReadingReport('train', events, now),
  });
  const validation = await readValidation(folder, training, now);
  const classifier = { ...training.classifier, helpers: (await opening) ?? undefined };
  const steps = countSteps(rows.length, file.training).total;
  const drawn = classifier.drawn.length === 0 ? {} : { drawn: [...classifier.drawn] };
  const known = describeLibrary(classifier.tf, file);
  const read = rows.filter((row) => row !== undefined).length;
  const some = read === rows.length ? {} : { read };
  events.write({ type: 'data-read', rows: rows.length, ...some, validationRows: validation.length, truncated, steps, ...drawn, ...known });

  const state = createTrainingState(classifier.tf, file.training, getBackend(file.backend).memory);
  const checkpoints = openCheckpoints({ folder, file, kernels, library: known.library, network: classifier, state, events, began, now });
  if (events.past.start !== null) checkpoints.resume();
  const weighted = classifier.isMultiLabel
    ? applyLabelWeights(rows, file.training)
    : applyLossSettings(rows, classifier.labels.length, file.training);
  const end = train(
    classifier,
    { rows: weighted, validation, settings: file.training },
    { state, write: events.write, readControlRequest: () => readRequest(folder), afterStep: checkpoints.afterStep, now },
  );
  if (end.reason === 'paused') {
    events.write({ type: 'training-paused', step: checkpoints.write() });
    return 0;
  }

  const isFinished = end.reason === 'finished';
  const name = isFinished ? 'model' : 'unfinished';
  const card = formatModelCard({ train: file, rows: rows.length, steps: end.step, epochs: state.evaluations, unfinished: !isFinished });
  const sha256 = saveModel(classifier, join(folder, name), {
    source: file.model.folder,
    card,
    base: file.card.base.includes('/') ? file.card.base : file.model.folder,
  });
  events.write({ type: 'model-written', folder: name, step: end.best?.step ?? end.step, sha256 });
  if (isFinished) events.write({ type: 'training-finished', step: end.step, seconds: checkpoints.getSpent() / 1000 });
  else if (end.reason === 'cancelled') events.write({ type: 'training-cancelled', step: end.step });
  else events.write(buildDivergence(end.step + 1));
  checkpoints.remove(); // not before the events say that the training has ended: it would begin again
  return end.reason === 'diverged' ? 1 : 0;
}

async function readValidation(
  folder: string,
  { file, events, classifier }: Pick<OpenedTraining, 'file' | 'events' | 'classifier'>,
  now: () => number,
): Promise<readonly EncodedRow[]> {
  if (file.rows.validation === null) return [];
  const onRead = createReadingReport('validation', events, now);
  return (await readRows(classifier, resolve(folder, file.rows.validation), { onRead })).rows;
}

/** Between two events about the reading of rows, and before the first of them. */
const reportMs = 2000;

function createReadingReport(part: 'train' | 'validation', events: EventFile, now: () => number): NonNullable<ReadRowsOptions['onRead']> {
  let last = now();
  return ({ rows, share }) => {
    if (now() - last < reportMs) return;
    last = now();
    events.write({ type: 'rows-read', part, rows, share });
  };
}

/**
 * What the trainer is asked for.
 * @throws Failure `file-missing` where the folder was taken away: nobody would find the result
 */
function readRequest(folder: string): ControlRequest | null {
  if (!existsSync(join(folder, 'train.json'))) throw new Failure('file-missing', `the run folder was taken away: ${folder}`);
  return readControlRequest(folder);
}

function buildDivergence(step: number): TrainerNews {
  return {
    type: 'training-failed',
    code: 'training-diverged' satisfies FailureCode,
    message: `expected finite numbers, found an infinite loss, gradient or weight in step ${step}; the weights before it are in "unfinished"`,
    hint: 'Lower the learning rate, or raise the warm-up ratio.',
  };
}

/** The package that computes, where the backend is not a part of this program, and what is unexpected about it. */
function describeLibrary(tf: TensorFlow, { backend, backendThreads }: TrainFile): Pick<DataRead, 'library' | 'warning'> {
  const { describe, threads } = getBackend(backend);
  if (describe === undefined) return {};
  const { version, device, warning } = describe(tf);
  return { library: `${version}, ${device}, ${backendThreads ?? threads} threads`, ...(warning !== null && { warning }) };
}

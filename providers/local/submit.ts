import { mkdir, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ChatRow, ClassificationRow, MultiLabelRow, PreferenceRow, RegressionRow, Row } from '../../src/dataset/row.ts';
import { Failure, isFailure, toFailureData, toFileFailure, toSystemCode } from '../../src/errors.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { writeAtomicJson } from '../../src/lib/fs.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { writeTrainingFile } from '../../src/provider-kit/training-file.ts';
import { defaultBackend, getBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import type { ChatTrainRow, FenceFile, PreferenceTrainRow, TrainFile, TrainRow } from '../../src/trainer/protocol.ts';
import { bringModel } from './base-model.ts';
import { readLocalTemplate, toChatTrainRow, toPreferenceTrainRow, type Learning } from './chat-template.ts';
import { chooseFor } from './estimate.ts';
import { eventsBegin, getJobs, pollTrainer, readLogTail, readTrainerEvents, startTrainer, takeTrainerLock } from './run-folder.ts';
import type { LocalRequest } from './translate.ts';

/** Rows as they were written to the run folder; paths are relative to it. */
export interface LocalPrepared {
  readonly train: string;
  readonly validation: string | null;
  /** What `auto` has become, and how many threads of its own it has; absent in runs that are older than `auto`. */
  readonly backend?: BackendName;
  readonly backendThreads?: number;
  /** Threads that share each batch; absent: one. */
  readonly threads?: number;
  /** What the training was said to need; absent where that is not known. */
  readonly memoryBytes?: number;
}

/** What the trainer reads of a row. */
function createRowWriter({ task, loss, model }: LocalRequest): (row: Row) => TrainRow | ChatTrainRow | PreferenceTrainRow {
  if (task === undefined) return toTrainRow;
  const { template } = readLocalTemplate(model.folder);
  if (task === 'preference') return (row) => toPreferenceTrainRow(template, row as PreferenceRow);
  const learning: Learning = loss === undefined ? {} : { loss };
  return (row) => toChatTrainRow(template, row as ChatRow, learning);
}

function toTrainRow(row: Row): TrainRow {
  const { text, text2, ...rest } = row as ClassificationRow | MultiLabelRow | RegressionRow; // `translate` refuses other tasks
  const label = 'value' in rest ? rest.value : 'labels' in rest ? rest.labels : rest.label;
  return text2 === undefined ? { text, label } : { text, text2, label };
}

/**
 * Brings the model here, and writes the mapped, split rows into the run folder. A folder must still be what it was in the plan.
 * @throws Failure `model-invalid`, `data-invalid`, `disk-full`
 */
export async function prepare(request: LocalRequest, context: Attempt): Promise<LocalPrepared> {
  context.signal.throwIfAborted();
  getJobs(context); // or it throws before anything is written
  await bringModel(request.model, context);
  const folder = join(context.workDir, 'rows');
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'rows of the run', folder);
  });
  const write = async (part: 'train' | 'validation'): Promise<string> => {
    const name = `rows/${part}.jsonl`;
    await writeTrainingFile(join(context.workDir, name), context.readRows(part), createRowWriter(request));
    return name;
  };
  const { backend, threads, memoryBytes } = await chooseFor(request, context);
  const { threads: backendThreads } = getBackend(backend);
  return {
    train: await write('train'),
    validation: context.facts.validation === null ? null : await write('validation'),
    backend,
    ...(backendThreads > 1 && { backendThreads }),
    ...(threads > 1 && { threads }),
    ...(memoryBytes !== null && { memoryBytes: Math.round(memoryBytes) }),
  };
}

export function bind(request: LocalRequest, prepared: LocalPrepared, key: RunKey, attempt: number): TrainFile {
  const { folder, labels, isMultiLabel, maxLength, hub } = request.model;
  const {
    backend = request.backend === 'auto' ? defaultBackend : request.backend,
    backendThreads,
    threads,
    memoryBytes,
    ...rows
  } = prepared;
  return {
    version: 1,
    nonce: `${key}.${attempt}`,
    attempt,
    backend,
    ...(backendThreads !== undefined && { backendThreads }),
    ...(threads !== undefined && { threads }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(request.task !== undefined && { task: request.task }),
    model: { folder, labels, ...(isMultiLabel !== undefined && { isMultiLabel }), maxLength, seed: request.training.seed },
    rows,
    training: request.training,
    card: { name: request.name, base: hub?.repository ?? folder.split('/').at(-1)! },
  };
}

/**
 * Starts the trainer as a process of its own and waits for its first sign of life.
 * @throws SubmitFailure `no` where the disk is full: nothing has begun, and the trainer can be started when there is space
 */
export async function create(wire: TrainFile, context: Attempt): Promise<JobRef> {
  context.signal.throwIfAborted();
  await writeAtomicJson(join(context.workDir, 'train.json'), wire, 'file of the run').catch((error: unknown) => {
    throw new SubmitFailure('no', toFailureData(error));
  });
  const job = await startTrainer(context, async () => await findStarted(context)).catch((error: unknown) => {
    throw isUnstarted(error) || isFailure(error, 'configuration-invalid') ? new SubmitFailure('no', toFailureData(error)) : error;
  });
  if (job === null) throw await explainStart(context.workDir);
  return job;
}

/** Whether the system has started no process: no more of them, or of files, are allowed now. */
function isUnstarted(error: unknown): boolean {
  const isOfSpawn = error instanceof Error && 'syscall' in error && String(error.syscall).startsWith('spawn');
  return isOfSpawn || ['EMFILE', 'ENFILE'].includes(toSystemCode(error) ?? '');
}

/** With less than this a trainer cannot even begin its files. */
const leastFreeBytes = 65_536;

/** Why a trainer ended before it said that it has started. On a full disk it could not say so. */
async function explainStart(folder: string): Promise<SubmitFailure> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < leastFreeBytes) {
    const hint = 'free some space and run the command again';
    return new SubmitFailure('no', new Failure('disk-full', `no space left for the trainer: ${folder}`, { hint }));
  }
  return new SubmitFailure('refused', new Failure('trainer-died', `the trainer ended before it began: ${await readLogTail(folder)}`));
}

/** The last attempt that has started, with its first start: it may have been paused or interrupted since. */
async function findStarted(context: Attempt): Promise<JobRef | null> {
  const { events } = await readTrainerEvents(context.workDir, eventsBegin);
  const starts = events.filter((event) => event.type === 'trainer-started');
  const first = starts.find(({ nonce }) => nonce === starts.at(-1)!.nonce);
  if (first === undefined) return null;
  return { provider: 'local', id: first.nonce, location: hostname(), attempt: first.attempt, createdAt: first.at, url: null };
}

/** The run's training: the one whose trainer said that it has started. */
export async function find(_request: LocalRequest, _prepared: readonly LocalPrepared[], context: Attempt): Promise<JobRef[]> {
  context.signal.throwIfAborted();
  const job = await findStarted(context);
  return job === null ? [] : [job];
}

/**
 * Forbids trainers up to this attempt to start any more. A trainer that has started is left alone: it will be found. One that holds
 * the lock and has not said yet that it has started is waited for.
 *
 * @throws Failure `timeout` when it does not say so
 */
export async function fence(_prepared: LocalPrepared, context: Attempt): Promise<void> {
  const { workDir, attempt } = context;
  const fenceOnce = async (): Promise<true | null> => {
    const lock = takeTrainerLock(workDir, 0);
    if (lock === null) return (await findStarted(context)) === null ? null : true;
    try {
      await writeAtomicJson(join(workDir, 'fence.json'), { attempt } satisfies FenceFile, 'file of the run');
      return true;
    } finally {
      lock.release();
    }
  };
  await pollTrainer(
    fenceOnce,
    context,
    () => new Failure('timeout', `a process holds the lock of ${workDir} and does not say that its training has started`),
  );
}

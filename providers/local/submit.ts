import { mkdir, open, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Failure, toFailureData, toFileFailure } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { readModelFolder } from '../../src/trainer/model-files/model-folder.ts';
import { takeRunLock } from '../../src/lib/run-lock.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { ClassificationRow } from '../../src/dataset/row.ts';
import type { FenceFile, TrainFile, TrainRow } from '../../src/trainer/protocol.ts';
import { eventsBegin, readLogTail, readTrainerEvents, writeJsonFile } from './run-folder.ts';
import { startLookMs, startMs, startTrainer } from './start-trainer.ts';
import type { LocalRequest } from './translate.ts';

/** Rows as they were written to the run folder; paths are relative to it. */
export interface LocalPrepared {
  readonly train: string;
  readonly validation: string | null;
}

/**
 * Writes the mapped, split rows into the run folder, after a look whether the model is still the one that was planned with.
 * @throws Failure `model-invalid`, `data-invalid`, `disk-full`
 */
export async function prepare(request: LocalRequest, context: Attempt): Promise<LocalPrepared> {
  context.signal.throwIfAborted();
  const { revision } = readModelFolder(request.model.folder);
  if (revision !== request.model.revision) {
    throw new Failure('model-invalid', `${request.model.folder} has changed since the run was accepted`, {
      hint: 'submit the job again: the changed model makes a new run',
    });
  }
  const folder = join(context.workDir, 'rows');
  const write = async (part: 'train' | 'validation'): Promise<string> => {
    const name = `rows/${part}.jsonl`;
    await using file = await open(join(context.workDir, name), 'w', 0o600);
    let lines = '';
    // Others were refused by `translate`.
    for await (const { text, text2, label } of context.readRows(part) as AsyncIterable<ClassificationRow>) {
      const row: TrainRow = text2 === undefined ? { text, label } : { text, text2, label };
      lines += `${JSON.stringify(row)}\n`;
      if (lines.length > 65_536) {
        await file.writeFile(lines);
        lines = '';
      }
    }
    await file.writeFile(lines);
    return name;
  };
  try {
    await mkdir(folder, { recursive: true });
    return { train: await write('train'), validation: context.facts.validation === null ? null : await write('validation') };
  } catch (error) {
    throw toFileFailure(error, 'rows of the run', folder);
  }
}

export function bind(request: LocalRequest, prepared: LocalPrepared, key: RunKey, attempt: number): TrainFile {
  const { folder, labels, maxLength } = request.model;
  return {
    version: 1,
    nonce: `${key}.${attempt}`,
    attempt,
    backend: request.backend,
    model: { folder, labels, maxLength, seed: request.training.seed },
    rows: prepared,
    training: request.training,
    card: { name: request.name, base: folder.split('/').at(-1)! },
  };
}

function toJobRef(wire: { nonce: string; attempt: number }, at: string): JobRef {
  return { provider: 'local', id: wire.nonce, location: hostname(), attempt: wire.attempt, createdAt: at, url: null };
}

/**
 * Starts the trainer as a process of its own and waits for its first sign of life.
 * @throws SubmitFailure `no` where the disk is full: nothing has begun, and the trainer can be started when there is space
 */
export async function create(wire: TrainFile, context: Attempt): Promise<JobRef> {
  context.signal.throwIfAborted();
  await writeJsonFile(join(context.workDir, 'train.json'), wire).catch((error: unknown) => {
    throw new SubmitFailure('no', toFailureData(error));
  });
  const job = await startTrainer(context, async () => await findStarted(context));
  if (job === null) throw await toStartFailure(context.workDir);
  if (job === undefined) throw new Failure('trainer-died', `the trainer gave no sign of life within ${startMs / 1000} s`);
  return job;
}

/** With less than this a trainer cannot even begin its files. */
const leastFreeBytes = 65_536;

/** Why a trainer ended before it said that it has started. On a full disk it could not say so. */
async function toStartFailure(folder: string): Promise<SubmitFailure> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < leastFreeBytes) {
    const hint = 'free some space and run the command again';
    return new SubmitFailure('no', toFailureData(new Failure('disk-full', `no space left for the trainer: ${folder}`, { hint })));
  }
  const failure = new Failure('trainer-died', `the trainer ended before it began: ${await readLogTail(folder)}`);
  return new SubmitFailure('refused', toFailureData(failure));
}

/** The last attempt that has started, with its first start: it may have been paused or interrupted since. */
async function findStarted(context: Attempt): Promise<JobRef | null> {
  const { events } = await readTrainerEvents(context.workDir, eventsBegin);
  const starts = events.filter((event) => event.type === 'trainer-started');
  const first = starts.find(({ nonce }) => nonce === starts.at(-1)!.nonce);
  return first === undefined ? null : toJobRef(first, first.at);
}

/** The run's training: the one whose trainer said that it has started. */
export async function find(_request: LocalRequest, _prepared: readonly LocalPrepared[], context: Attempt): Promise<JobRef[]> {
  context.signal.throwIfAborted();
  const job = await findStarted(context);
  return job === null ? [] : [job];
}

/**
 * Forbids trainers up to this attempt to start any more. A trainer that has started is left alone: it will be found. One that holds
 * the lock and has not spoken yet is waited for.
 *
 * @throws Failure `timeout` when it does not speak
 */
export async function fence(_prepared: LocalPrepared, context: Attempt): Promise<void> {
  for (let waited = 0; waited < startMs; waited += startLookMs) {
    const lock = takeRunLock(join(context.workDir, 'run.lock.db'), 0);
    if (lock !== null) {
      try {
        return await writeJsonFile(join(context.workDir, 'fence.json'), { attempt: context.attempt } satisfies FenceFile);
      } finally {
        lock.release();
      }
    }
    if ((await findStarted(context)) !== null) return;
    await context.wait(startLookMs);
  }
  throw new Failure('timeout', `a process holds ${join(context.workDir, 'run.lock.db')} and does not say that its training has started`);
}

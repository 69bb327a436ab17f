/** The provider's side of a run folder (see protocol.ts): the trainer's events, its lock, and its start. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, toSystemCode } from '../../src/errors.ts';
import { spawnTraining } from '../../src/lib/process.ts';
import { takeRunLock, type RunLock } from '../../src/lib/run-lock.ts';
import { formatValue } from '../../src/lib/text.ts';
import type { Attempt, Context } from '../../src/provider/context.ts';
import { poll, type PollOptions } from '../../src/provider-kit/retry.ts';
import { parseEvents, type TrainerEvent } from '../../src/trainer/protocol.ts';
import type { Queue } from '../../src/trainer/queue.ts';
import { getTrainerSettings } from './check.ts';

/** How far events.jsonl was read. */
export interface EventPosition {
  /** Bytes. */
  readonly offset: number;
  /** Hash of the bytes before: a power cut may take lines away that were read, and others come in their place. */
  readonly mark: string;
}

export const eventsBegin: EventPosition = { offset: 0, mark: '' };

export interface EventsRead {
  readonly events: TrainerEvent[];
  readonly position: EventPosition;
  /** Whether the file is no longer the one that was read: these are all its events. */
  readonly isFromStart: boolean;
}

/** How many bytes before a position its mark is made of: more than the time and the figures of one line. */
const markBytes = 256;

/** The trainer's events after a position, whole lines only. No file is no events. @throws the system's error */
export async function readTrainerEvents(folder: string, after: EventPosition): Promise<EventsRead> {
  const before = Math.min(after.offset, markBytes);
  const bytes = await readFrom(join(folder, 'events.jsonl'), after.offset - before);
  if (hashMark(bytes.subarray(0, before)) !== after.mark) {
    return { ...(await readTrainerEvents(folder, eventsBegin)), isFromStart: true };
  }
  const { events, end } = parseEvents(bytes, before);
  const position = { offset: after.offset - before + end, mark: hashMark(bytes.subarray(Math.max(0, end - markBytes), end)) };
  return { events, position, isFromStart: after.offset === 0 };
}

function hashMark(bytes: Buffer): string {
  return bytes.length === 0 ? '' : createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    if (toSystemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Adds an event in the place of a trainer that does not live. Only for the holder of its lock, or another trainer may write too. */
export async function appendEvent(folder: string, event: TrainerEvent): Promise<void> {
  const { position } = await readTrainerEvents(folder, eventsBegin);
  await using file = await open(join(folder, 'events.jsonl'), 'r+');
  await file.truncate(position.offset); // a crash may have left a part of a line
  await file.write(`${JSON.stringify(event)}\n`, position.offset);
  await file.sync();
}

/** The trainer's lock, or null where a process holds it for longer than `waitMs`: a trainer, or one that takes it for an instant. */
export function takeTrainerLock(folder: string, waitMs: number): RunLock | null {
  return takeRunLock(join(folder, 'run.lock.db'), waitMs);
}

/**
 * Only the lock tells whether a trainer lives: the process number in its events may belong to another process by now. Whoever asks
 * holds the lock for an instant; `waitMs` must be longer than that where it matters.
 */
export function isTrainerAlive(folder: string, waitMs = 0): boolean {
  const lock = takeTrainerLock(folder, waitMs);
  lock?.release();
  return lock === null;
}

const jobsSetting = 'ORCHESTRATE_LOCAL_JOBS';

/** How many trainings may run on this machine at the same time. @throws Failure `configuration-invalid` */
export function getJobs({ setting }: Pick<Context, 'setting'>): number {
  const text = setting(jobsSetting) ?? '1';
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new Failure('configuration-invalid', `${jobsSetting}: expected a number of trainings from 1, found ${formatValue(text)}`);
}

/** How long a trainer may take to say that it has started, or that it stops. */
const startMs = 30_000;

/** Looks often, for a trainer that is about to start or to stop. */
export function pollTrainer<T>(check: () => Promise<T | null>, context: Context, onTimeout: PollOptions['onTimeout']): Promise<T> {
  return poll(check, context, { firstMs: 20, longestMs: 20, withinMs: startMs, onTimeout });
}

/**
 * Starts the trainer of the run folder as a process of its own and waits until `find` finds a result. Returns null when the process
 * has ended before that.
 * @throws Failure `trainer-died` when it neither ends nor gives a sign of life
 */
export async function startTrainer<T>(
  context: Pick<Attempt, 'workDir' | 'queue'> & Context,
  find: () => Promise<T | null>,
): Promise<T | null> {
  context.signal.throwIfAborted();
  const queue = context.queue === undefined ? null : ({ ...context.queue, jobs: getJobs(context) } satisfies Queue);
  const child = spawnTraining(context.workDir, join(context.workDir, 'trainer.log'), { queue, env: getTrainerSettings(context) });
  let hasEnded = false;
  const ended = once(child, 'exit').then(() => (hasEnded = true));
  const check = async (): Promise<{ readonly found: T | null } | null> => {
    const isLastLook = hasEnded; // asked first: all its events are there then
    const found = await find();
    return found !== null || isLastLook ? { found } : null;
  };
  const onTimeout = (): Failure => new Failure('trainer-died', `the trainer gave no sign of life within ${startMs / 1000} s`);
  const failed = ended.then(() => new Promise<never>(() => {})); // rejects where the process cannot be started
  return (await Promise.race([pollTrainer(check, context, onTimeout), failed])).found;
}

/** The last lines that the trainer printed outside its events, as a crash leaves them, without the places in the program. */
export async function readLogTail(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'trainer.log'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line));
  return lines.slice(-5).join('\n');
}

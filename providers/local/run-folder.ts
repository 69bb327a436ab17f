import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toFileFailure, toSystemCode } from '../../src/errors.ts';
import { takeRunLock } from '../../src/lib/run-lock.ts';
import type { TrainerEvent } from '../../src/trainer/protocol.ts';

/**
 * Writes a JSON file so that a reader sees the old one or the new one, never a part.
 * @throws Failure `disk-full`, `permission-denied`; nothing of the new file is left then
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw toFileFailure(error, 'file of the run', path);
  }
}

/** How far events.jsonl was read. */
export interface EventPlace {
  /** Bytes. */
  readonly offset: number;
  /** Hash of what stands before: a power cut may take lines away that were read, and others come in their place. */
  readonly mark: string;
}

export const eventsBegin: EventPlace = { offset: 0, mark: '' };

export interface EventsRead {
  readonly events: TrainerEvent[];
  readonly location: EventPlace;
  /** Whether the file is no longer the one that was read: these are all its events. */
  readonly isFromStart: boolean;
}

/** How many bytes before a place its mark is made of: more than the time and the figures of one line. */
const markBytes = 256;

/** The trainer's events after a place, whole lines only. No file is no events. @throws the system's error */
export async function readTrainerEvents(folder: string, after: EventPlace): Promise<EventsRead> {
  const path = join(folder, 'events.jsonl');
  const before = Math.min(after.offset, markBytes);
  const bytes = await readFrom(path, after.offset - before);
  if (toMark(bytes.subarray(0, before)) !== after.mark) {
    return { ...(await readTrainerEvents(folder, eventsBegin)), isFromStart: true };
  }
  const { events, end } = parseEvents(bytes, before);
  const location = { offset: after.offset - before + end, mark: toMark(bytes.subarray(Math.max(0, end - markBytes), end)) };
  return { events, location, isFromStart: after.offset === 0 };
}

function toMark(bytes: Buffer): string {
  return bytes.length === 0 ? '' : createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** Whole lines from a byte on. One that a crash has left broken ends them: the next trainer cuts it off. */
function parseEvents(bytes: Buffer, from: number): { readonly events: TrainerEvent[]; readonly end: number } {
  const events: TrainerEvent[] = [];
  let start = from;
  for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
    try {
      events.push(JSON.parse(bytes.toString('utf8', start, end)) as TrainerEvent);
    } catch {
      break;
    }
    start = end + 1;
  }
  return { events, end: start };
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

/**
 * Tells an event in the place of a trainer that does not live. To be called while its lock is held, or another trainer may write too.
 */
export async function appendEvent(folder: string, event: TrainerEvent): Promise<void> {
  const { location } = await readTrainerEvents(folder, eventsBegin);
  await using file = await open(join(folder, 'events.jsonl'), 'r+');
  await file.truncate(location.offset); // a crash may have left a part of a line
  await file.write(`${JSON.stringify(event)}\n`, location.offset);
  await file.sync();
}

/**
 * Only the lock tells: a process of the number that it gave may be another one by now. Who looks holds the lock for an instant; a wait
 * is longer than that.
 */
export function isTrainerAlive(folder: string, waitMs = 0): boolean {
  const lock = takeRunLock(join(folder, 'run.lock.db'), waitMs);
  lock?.release();
  return lock === null;
}

/** The steps of the checkpoints that lie in the run folder. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(join(folder, 'checkpoints')).catch(() => []);
  return names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
}

/** The last lines that the trainer printed outside its events: what a crash leaves, without the places in the program. */
export async function readLogTail(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'trainer.log'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line));
  return lines.slice(-5).join('\n');
}

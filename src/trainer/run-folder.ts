/** The trainer's side of its run folder: the fence, the events, the control file (see files.ts). */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlFile, FenceFile, TrainerEvent } from './files.ts';

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type TrainerNews = WithoutTime<TrainerEvent>;

/** Whether attempts up to and including this one must not start any more. To be asked while the lock is held. */
export function isFenced(folder: string, attempt: number): boolean {
  const fence = readIfPresent<FenceFile>(join(folder, 'fence.json'));
  return fence !== null && attempt <= fence.attempt;
}

export function isCancelled(folder: string): boolean {
  return readIfPresent<ControlFile>(join(folder, 'control.json'))?.command === 'cancel';
}

/** Appends to events.jsonl; each event is one write, and what others decide by is flushed to the disk. */
export function openEvents(folder: string, toNow: () => Date): { tell(news: TrainerNews): void; close(): void } {
  const file = openSync(join(folder, 'events.jsonl'), 'a', 0o600);
  return {
    tell(news) {
      writeSync(file, `${JSON.stringify({ at: toNow().toISOString(), ...news })}\n`);
      if (news.type !== 'step-finished') fsyncSync(file);
    },
    close: () => closeSync(file),
  };
}

/** Files that others write by rename: whole or absent. */
function readIfPresent<T>(path: string): T | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
}

/** events.jsonl, as the trainer that holds the lock reads and writes it. */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { flushFolder } from '../model-files/write-safetensors.ts';
import type { TrainerEvent } from './files.ts';

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type TrainerNews = WithoutTime<TrainerEvent>;

/** What earlier trainers of this folder have told. */
export interface TrainerPast {
  /** Whether a trainer has started. */
  hasStarted: boolean;
  /** Whether a training that had started came to its end. */
  hasEnded: boolean;
  hasReadData: boolean;
  /** The last step and the step of the last look at the validation rows that were told; 0 before the first. */
  step: number;
  evaluatedStep: number;
}

export interface EventFile {
  readonly past: TrainerPast;
  /** Appends an event; what others decide by is flushed to the disk. What was told before an interruption is not told again. */
  tell(news: TrainerNews): void;
  /** All that was told is on the disk when this returns. */
  flush(): void;
  close(): void;
}

/** Opens events.jsonl to go on with it. A line that a crash has left unfinished is cut off, with all that comes after it. */
export function openEvents(folder: string, toNow: () => Date): EventFile {
  const path = join(folder, 'events.jsonl');
  const isNew = !existsSync(path);
  const file = openSync(path, 'a', 0o600);
  if (isNew) flushFolder(folder);
  const { past, bytes } = readPast(path);
  let end = bytes;
  if (fstatSync(file).size !== end) ftruncateSync(file, end);
  return {
    past,
    tell(news) {
      if (isGiven(past, news)) return;
      const line = Buffer.from(`${JSON.stringify({ at: toNow().toISOString(), ...news })}\n`);
      try {
        for (let done = 0; done < line.length;) done += writeSync(file, line, done);
        if (news.type !== 'step-finished') fsyncSync(file);
      } catch (error) {
        ftruncateSync(file, end); // a full disk takes a part of a line
        throw error;
      }
      end += line.length;
    },
    flush: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

/** What the whole lines tell, and where they end. */
function readPast(path: string): { readonly past: TrainerPast; readonly bytes: number } {
  const past: TrainerPast = { hasStarted: false, hasEnded: false, hasReadData: false, step: 0, evaluatedStep: 0 };
  const bytes = readFileSync(path);
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const event = parseEvent(bytes.toString('utf8', start, end));
    if (event === null) break;
    addToPast(past, event);
    start = end + 1;
  }
  return { past, bytes: start };
}

function parseEvent(line: string): TrainerEvent | null {
  try {
    return JSON.parse(line) as TrainerEvent;
  } catch {
    return null;
  }
}

function addToPast(past: TrainerPast, event: TrainerEvent): void {
  switch (event.type) {
    case 'trainer-started':
      past.hasStarted = true;
      break;
    case 'data-read':
      past.hasReadData = true;
      break;
    case 'step-finished':
      past.step = event.step;
      break;
    case 'epoch-evaluated':
      past.evaluatedStep = event.step;
      break;
    case 'training-finished':
    case 'training-cancelled':
    case 'training-failed':
      past.hasEnded = past.hasStarted; // an attempt that failed before it started is followed by the next one
      break;
    default: // nothing to remember
  }
}

function isGiven(past: TrainerPast, news: TrainerNews): boolean {
  switch (news.type) {
    case 'data-read':
      return past.hasReadData;
    case 'step-finished':
      return news.step <= past.step;
    case 'epoch-evaluated':
      return news.step <= past.evaluatedStep;
    default:
      return false;
  }
}

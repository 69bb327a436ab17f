/** events.jsonl, as the trainer that holds the lock reads and writes it. */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { flush } from '../lib/fs.ts';
import { parseEvents, type TrainerEvent, type TrainerNews } from './protocol.ts';

export type TrainerStart = Extract<TrainerEvent, { type: 'trainer-started' }>;

/** What earlier trainers of this folder have written. */
export interface TrainerPast {
  /** The first start of a trainer; null where there was none. */
  readonly start: TrainerStart | null;
  /** Whether a training that had started came to its end. */
  readonly hasEnded: boolean;
  readonly hasReadData: boolean;
  /** The last step, and the last one after which the validation rows were scored; 0 before the first. */
  readonly step: number;
  readonly evaluatedStep: number;
  readonly hasEndedEarly: boolean;
}

export interface EventFile {
  readonly past: TrainerPast;
  /** Appends an event; what others decide by is flushed to the disk. What was written before an interruption is not written again. */
  write(news: TrainerNews): void;
  /** All that was written is on the disk when this returns. */
  flush(): void;
  close(): void;
}

/** Opens events.jsonl to go on with it. A line that a crash has left unfinished is cut off, with all that comes after it. */
export function openEvents(folder: string, now: () => Date): EventFile {
  const path = join(folder, 'events.jsonl');
  const isNew = !existsSync(path);
  const file = openSync(path, 'a', 0o600);
  if (isNew) flush(folder);
  const { events, end: lastEnd } = parseEvents(readFileSync(path));
  const past = summarize(events);
  let end = lastEnd;
  if (fstatSync(file).size !== end) ftruncateSync(file, end);
  return {
    past,
    write(news) {
      if (isWritten(past, news)) return;
      const line = Buffer.from(`${JSON.stringify({ at: now().toISOString(), ...news })}\n`);
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

function summarize(events: readonly TrainerEvent[]): TrainerPast {
  const start = events.find((event) => event.type === 'trainer-started') ?? null;
  // An attempt that failed before it started is followed by the next one.
  const ends = ['training-finished', 'training-cancelled', 'training-failed'];
  return {
    start,
    hasEnded: start !== null && events.slice(events.indexOf(start)).some(({ type }) => ends.includes(type)),
    hasReadData: events.some(({ type }) => type === 'data-read'),
    step: events.findLast((event) => event.type === 'step-finished')?.step ?? 0,
    evaluatedStep: events.findLast((event) => event.type === 'epoch-evaluated')?.step ?? 0,
    hasEndedEarly: events.some(({ type }) => type === 'training-ended-early'),
  };
}

function isWritten(past: TrainerPast, news: TrainerNews): boolean {
  switch (news.type) {
    case 'data-read':
      return past.hasReadData;
    case 'step-finished':
      return news.step <= past.step;
    case 'epoch-evaluated':
      return news.step <= past.evaluatedStep;
    case 'training-ended-early':
      return past.hasEndedEarly;
    default:
      return false;
  }
}

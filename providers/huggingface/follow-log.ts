import { createHash } from 'node:crypto';
import type { Note } from '../../src/provider/note.ts';
import { readSse, sseBegins, type SseState } from './read-sse.ts';

/** A line of a job's log. */
export interface LogLine {
  /** Its time as the service wrote it; null where it wrote none. */
  readonly at: string | null;
  readonly text: string;
}

/**
 * How far a job's log was read: JSON, some hundred bytes. The service sends the whole log at each connection, so the place is a number of lines,
 * and hashes show whether they are the same lines again.
 */
export interface LogCursor {
  readonly lines: number;
  /** Of the first line; null before there was one. */
  readonly first: string | null;
  /** Of all lines up to here. */
  readonly hash: string;
  /** Of the last lines, one by one: with them the place is found again in a log whose beginning is gone. */
  readonly last: readonly string[];
  /** Whether it was noted that the beginning is gone. */
  readonly isCut: boolean;
}

export const logBegins: LogCursor = { lines: 0, first: null, hash: '', last: [], isCut: false };

/** One connection to a log. */
export interface LogFollower {
  readonly sse: SseState;
  /** What was read in this connection and before it; in a replay what was read before it. */
  readonly cursor: LogCursor;
  readonly mode: Mode;
}

type Mode =
  | { readonly type: 'live' }
  /** The lines that were read before come again. */
  | { readonly type: 'replay'; readonly seen: LogCursor }
  /** It is another log, or its beginning is gone: the last lines that were read are sought in it. */
  | { readonly type: 'search'; readonly seen: LogCursor; readonly held: Held | null };

interface Held {
  readonly before: Held | null;
  readonly line: LogLine;
}

export interface NewLines {
  readonly state: LogFollower;
  readonly lines: readonly LogLine[];
  readonly notes: readonly Note[];
}

/** Begins a connection where an earlier one stopped; null: at the beginning. */
export function followLog(cursor: LogCursor | null): LogFollower {
  const from = cursor ?? logBegins;
  return {
    sse: sseBegins,
    cursor: from,
    mode: from.lines === 0 ? { type: 'live' } : { type: 'replay', seen: { ...logBegins, isCut: from.isCut } },
  };
}

/** The lines of this chunk that were not given before. The state's `cursor` counts them as read. */
export function toNewLines(state: LogFollower, chunk: Uint8Array): NewLines {
  const { state: sse, events } = readSse(state.sse, chunk);
  const lines: LogLine[] = [];
  const notes: Note[] = [];
  let now: LogFollower = { ...state, sse };
  for (const line of events.flatMap(parseLogEvent)) {
    const step = addLine(now, line);
    now = step.state;
    lines.push(...step.lines);
    notes.push(...step.notes);
  }
  return { state: now, lines, notes };
}

/**
 * The end of a connection. Lines that were held because the place was sought among them are given after all, since nothing shows that they were
 * read before. A replay that ended early tells nothing: the connection may have been cut.
 */
export function toLastLines(state: LogFollower): NewLines {
  if (state.mode.type !== 'search') return { state, lines: [], notes: [] };
  return { state: { ...state, cursor: state.mode.seen, mode: { type: 'live' } }, lines: toLines(state.mode.held), notes: [otherLog] };
}

const mostLast = 8;

function addLine(state: LogFollower, line: LogLine): NewLines {
  const { mode, cursor } = state;
  if (mode.type === 'live') return { state: { ...state, cursor: toNext(cursor, line) }, lines: [line], notes: [] };
  const seen = toNext(mode.seen, line);
  if (mode.type === 'replay') {
    if (seen.lines === 1 && seen.first !== cursor.first)
      return search({ ...state, mode: { ...mode, type: 'search', held: null } }, seen, line);
    if (seen.lines < cursor.lines) return { state: { ...state, mode: { type: 'replay', seen } }, lines: [], notes: [] };
    return { state: { ...state, cursor: seen, mode: { type: 'live' } }, lines: [], notes: seen.hash === cursor.hash ? [] : [changedLog] };
  }
  return search({ ...state, mode }, seen, line);
}

function search(state: LogFollower & { mode: Mode & { type: 'search' } }, seen: LogCursor, line: LogLine): NewLines {
  const { mode, cursor } = state;
  const held: Held = { before: mode.held, line };
  if (isSame(seen.last.slice(-cursor.last.length), cursor.last)) {
    return {
      state: { ...state, cursor: { ...seen, isCut: true }, mode: { type: 'live' } },
      lines: [],
      notes: cursor.isCut ? [] : [cutLog],
    };
  }
  if (seen.lines <= cursor.lines) return { state: { ...state, mode: { type: 'search', seen, held } }, lines: [], notes: [] };
  return { state: { ...state, cursor: seen, mode: { type: 'live' } }, lines: toLines(held), notes: [otherLog] };
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i]);
}

function toLines(held: Held | null): LogLine[] {
  const lines: LogLine[] = [];
  for (let one = held; one !== null; one = one.before) lines.push(one.line);
  return lines.reverse();
}

const otherLog: Note = {
  type: 'warning',
  message: 'the log of the job begins anew and lacks what was read before; all of its lines follow',
};
const cutLog: Note = {
  type: 'warning',
  message: 'the beginning of the log of the job is gone; it goes on after the last line that was read',
};
const changedLog: Note = {
  type: 'warning',
  message: 'the log of the job is not what was read before; it goes on by the number of lines, so some may be missing or come twice',
};

function toNext(cursor: LogCursor, line: LogLine): LogCursor {
  const own = toHash(JSON.stringify([line.at, line.text]));
  return {
    lines: cursor.lines + 1,
    first: cursor.first ?? own,
    hash: toHash(`${cursor.hash} ${own}`),
    last: [...cursor.last.slice(cursor.last.length < mostLast ? 0 : 1), own],
    isCut: cursor.isCut,
  };
}

function toHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

/** The line in an event's data; what is no JSON counts as a line, what is empty or has no line is none. */
function parseLogEvent(data: string): LogLine[] {
  if (data.trim() === '') return [];
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch {
    return [{ at: null, text: data }];
  }
  if (typeof event !== 'object' || event === null || !('data' in event) || typeof event.data !== 'string') return [];
  return [{ at: 'timestamp' in event && typeof event.timestamp === 'string' ? event.timestamp : null, text: event.data }];
}

import { setTimeout as pause } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { expectSuccess, toIsoTime } from '../../src/provider-kit/json.ts';
import { openHub } from '../../src/provider-kit/hub.ts';
import { formatJobsPath } from './jobs.ts';

/** A line of a job's log. */
export interface LogLine {
  /** ISO 8601; null where the service gives no time. */
  readonly at: string | null;
  readonly text: string;
}

/**
 * How far a job's log was read. The service sends the log from its beginning, or its last lines; the time of the last line that was read, and
 * how many lines have this time, show which lines are new.
 */
export interface LogPosition {
  readonly lines: number;
  /** Null where no line had a time: then the lines are counted. */
  readonly at: string | null;
  readonly same: number;
}

export const logStart: LogPosition = { lines: 0, at: null, same: 0 };

export interface LogLimits {
  /** A live log that is silent for so long has no more lines for now. */
  readonly quietMs: number;
  /** How long one poll reads at most. */
  readonly allMs: number;
}

export const logLimits: LogLimits = { quietMs: 700, allMs: 60_000 };

const maxBodyBytes = 128 * 1024 * 1024;
/** Lines that are asked for where some were read before. */
const tailLines = 1000;

interface JobLog {
  readonly namespace: string;
  readonly id: string;
  readonly hasEnded: boolean;
}

/**
 * The new lines of a job's log: of one that has ended to its end, of one that runs until nothing comes any more. No connection is left open.
 * @throws Failure where the log of an ended job cannot be read whole
 */
export async function readLog(
  log: JobLog,
  { position, limits }: { readonly position: LogPosition; readonly limits: LogLimits },
  context: Context,
): Promise<{ readonly lines: readonly LogLine[]; readonly position: LogPosition }> {
  if (position.at !== null) {
    const tail = await readPatiently(log, { limits, tail: tailLines }, context);
    if (reachesBack(tail, position)) return skipLines(tail, position);
  }
  return skipLines(await readPatiently(log, { limits, tail: null }, context), position);
}

/** A clean end before the service's own last line may be that of a proxy. */
async function readPatiently(log: JobLog, part: Part, context: Context): Promise<LogLine[]> {
  const first = await readLines(log, part, context);
  if (!log.hasEnded || first.some(({ text }) => isLastLine(text))) return first;
  const second = await readLines(log, part, context);
  return second.length >= first.length ? second : first;
}

function isLastLine(text: string): boolean {
  return /^={3,10} Job finished: status=[A-Z_]{1,40}\b/.test(text);
}

/** Whether nothing between the lines that were read and these ones is missing. */
function reachesBack(lines: readonly LogLine[], { at }: LogPosition): boolean {
  const [first] = lines;
  return lines.length < tailLines || (first?.at != null && at !== null && first.at < at);
}

/** The lines behind a position, and the position behind them. Of lines that are out of order each has the time of the one before it. */
export function skipLines(
  lines: readonly LogLine[],
  position: LogPosition,
): { readonly lines: readonly LogLine[]; readonly position: LogPosition } {
  let { at, same } = { at: null as string | null, same: 0 };
  const fresh = lines.filter((line, i) => {
    const time: string | null = line.at === null || (at !== null && line.at < at) ? at : line.at;
    same = time === at ? same + 1 : 1;
    at = time;
    if (position.at === null || time === null) return i >= position.lines;
    return time > position.at || (time === position.at && same > position.same);
  });
  if (fresh.length === 0) return { lines: fresh, position };
  return { lines: fresh, position: { lines: position.lines + fresh.length, at, same } };
}

interface Part {
  readonly limits: LogLimits;
  /** How many of the last lines; null: all. */
  readonly tail: number | null;
}

/** The lines that one connection brings. */
async function readLines({ namespace, id, hasEnded }: JobLog, { limits, tail }: Part, context: Context): Promise<LogLine[]> {
  const hub = openHub(context, { body: 'stream', deadlineMs: limits.allMs, maxBodyBytes });
  const path = `${formatJobsPath(namespace, id)}/logs`;
  return await hub.call(`GET ${path}`, async () => {
    const closing = new AbortController();
    const lines: LogLine[] = [];
    const parser = createParser({ onEvent: ({ data }) => lines.push(...parseLine(data)) });
    const decoder = new TextDecoder();
    try {
      const query = tail === null ? '' : `?tail=${tail}`;
      const response = await hub.send(`${path}${query}`, { headers: { accept: 'text/event-stream' }, signal: closing.signal });
      await expectSuccess(response, hub.describe('GET', path));
      if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
        throw new Failure('response-invalid', `GET ${path}: expected the log of the job, found a page of HTML`);
      }
      const reader = response.body?.getReader();
      for (;;) {
        const chunk = await readChunk(reader, hasEnded ? null : limits.quietMs);
        if (chunk === null) return lines;
        parser.feed(decoder.decode(chunk, { stream: true }));
      }
    } finally {
      closing.abort();
    }
  });
}

/** The next bytes; null at the end, or once nothing has come for `quietMs`. */
async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array> | undefined, quietMs: number | null): Promise<Uint8Array | null> {
  if (reader === undefined) return null;
  if (quietMs === null) return (await reader.read()).value ?? null;
  const waiting = new AbortController();
  const read = reader.read().then(({ value }) => value ?? null);
  // After the pause this read has no reader any more, and closing the connection must not count as an error.
  read.catch(() => {});
  try {
    return await Promise.race([read, pause(quietMs, null, { signal: waiting.signal })]);
  } finally {
    waiting.abort();
  }
}

const LineData = z.object({ data: z.string(), timestamp: z.string().nullish().catch(null) });

/** The line in an event's data. Data that is no JSON counts as a line; JSON without a line is none. */
function parseLine(data: string): LogLine[] {
  if (data.trim() === '') return [];
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return [{ at: null, text: data }];
  }
  const line = LineData.safeParse(json).data;
  return line === undefined ? [] : [{ at: toIsoTime(line.timestamp), text: line.data }];
}

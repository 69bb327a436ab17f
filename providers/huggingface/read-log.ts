import { setTimeout as pause } from 'node:timers/promises';
import type { Note } from '../../src/provider/note.ts';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { toAnswerFailure } from './answer-failure.ts';
import { openHub } from './client.ts';
import { followLog, toLastLines, toNewLines, type LogCursor, type LogLine } from './follow-log.ts';
import { toJobsPath } from './jobs-api.ts';
import { parseLogMarker } from './parse-log-marker.ts';

/** What one connection to a log brought. */
export interface JobLog {
  /** From the beginning, as the service has it. */
  readonly all: readonly LogLine[];
  /** Those that the cursor did not have. */
  readonly fresh: readonly LogLine[];
  readonly notes: readonly Note[];
  readonly cursor: LogCursor;
}

export interface LogLimits {
  /** A live log that says nothing for so long has said everything for now. */
  readonly quietMs: number;
  /** How long one look reads at most. */
  readonly allMs: number;
}

export const logLimits: LogLimits = { quietMs: 700, allMs: 60_000 };
const maxBodyBytes = 128 * 1024 * 1024;

/**
 * Reads the log of a job: of one that has ended to its end, of one that runs until nothing comes any more. The service sends it from the
 * beginning each time. No connection is left open.
 * @throws Failure where the log of an ended job cannot be read whole
 */
export async function readLog(
  { namespace, id, cursor, hasEnded }: { namespace: string; id: string; cursor: LogCursor; hasEnded: boolean },
  context: Context,
  limits: LogLimits = logLimits,
): Promise<JobLog> {
  const first = await connect({ namespace, id, cursor, hasEnded }, context, limits);
  // A clean end before the service's own last line may be a proxy's: what an ended job said is not said again later.
  if (!hasEnded || first.all.some(({ text }) => parseLogMarker(text)?.type === 'finished')) return first;
  const second = await connect({ namespace, id, cursor, hasEnded }, context, limits);
  return second.all.length >= first.all.length ? second : first;
}

async function connect(
  { namespace, id, cursor, hasEnded }: { namespace: string; id: string; cursor: LogCursor; hasEnded: boolean },
  context: Context,
  { quietMs, allMs }: LogLimits,
): Promise<JobLog> {
  const hub = openHub(context, { body: 'stream', deadlineMs: allMs, maxBodyBytes });
  const path = `${toJobsPath(namespace, id)}/logs`;
  return await hub.call(`GET ${path}`, async () => {
    const closing = new AbortController();
    let whole = followLog(null);
    let known = followLog(cursor);
    const all: LogLine[] = [];
    const fresh: LogLine[] = [];
    const notes: Note[] = [];
    const map = (part: { lines: readonly LogLine[]; notes: readonly Note[] }): void => {
      fresh.push(...part.lines);
      notes.push(...part.notes);
    };
    try {
      const response = await hub.send(path, { headers: { accept: 'text/event-stream' }, signal: closing.signal });
      if (!response.ok) throw toAnswerFailure(response.status, await response.text(), `GET ${path}`);
      if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
        throw new Failure('response-invalid', `GET ${path}: expected the log of the job, found a page of HTML`);
      }
      const reader = response.body?.getReader();
      for (;;) {
        const chunk = await readNext(reader, hasEnded ? null : quietMs);
        if (chunk === null) break;
        const every = toNewLines(whole, chunk);
        whole = every.state;
        all.push(...every.lines);
        const some = toNewLines(known, chunk);
        known = some.state;
        map(some);
      }
    } finally {
      closing.abort();
    }
    const last = toLastLines(known);
    map(last);
    return { all, fresh, notes, cursor: last.state.cursor };
  });
}

/** The next bytes; null at the end, or once nothing has come for `quietMs`. */
async function readNext(reader: ReadableStreamDefaultReader<Uint8Array> | undefined, quietMs: number | null): Promise<Uint8Array | null> {
  if (reader === undefined) return null;
  if (quietMs === null) return (await reader.read()).value ?? null;
  const waiting = new AbortController();
  const read = reader.read().then(({ value }) => value ?? null);
  // Once it is quiet nobody waits for this read any more: that the connection is closed under it is no error.
  read.catch(() => {});
  try {
    return await Promise.race([read, pause(quietMs, null, { signal: waiting.signal })]);
  } finally {
    waiting.abort();
  }
}

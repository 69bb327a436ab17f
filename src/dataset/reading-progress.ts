/** How far the reading of data files is, for a person who waits. */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { formatBytes } from '../lib/text.ts';

export interface ReadProgress {
  readonly path: string;
  /** Decompressed, so far. */
  readonly bytes: number;
  /** That can be used, so far. */
  readonly rows: number;
}

/** Nothing is said of what is over before that. */
const quietMs = 2000;
const reportMs = 250;

/**
 * Tells the person, in one line, from the third second on.
 * @param now milliseconds on a clock that only goes forward
 */
export function createReadingReport(
  report: (text: string) => void,
  now: () => number = () => performance.now(),
): (progress: ReadProgress) => void {
  const began = now();
  let last = -Infinity;
  return ({ path, bytes, rows }) => {
    const at = now();
    if (at - began < quietMs || at - last < reportMs) return;
    last = at;
    const of = findSize(path);
    const share = of === null || bytes > of ? formatBytes(bytes) : `${Math.floor((100 * bytes) / of)} % of ${formatBytes(of)}`;
    report(`reading ${basename(path)}: ${share}, ${rows.toLocaleString('en')} rows`);
  };
}

/** Null where it says nothing about how much there is to read. */
function findSize(path: string): number | null {
  if (/\.gz$|\.parquet$|\.pq$/i.test(path)) return null;
  return statSync(path, { throwIfNoEntry: false })?.size || null;
}

/** So many rows are passed on between two looks at the clock. */
const rowsBetweenLooks = 4096;

/** The same rows; where going through them takes long, the person is told how far it is. */
export async function* reportRows<Row>(
  rows: AsyncIterable<Row>,
  { part, of, report, now = () => performance.now() }: RowsReport,
): AsyncGenerator<Row, void> {
  const began = now();
  let last = -Infinity;
  let count = 0;
  for await (const row of rows) {
    yield row;
    if (++count % rowsBetweenLooks !== 0) continue;
    const at = now();
    if (at - began < quietMs || at - last < reportMs) continue;
    last = at;
    report(`going through the ${part} rows: ${Math.floor((100 * count) / Math.max(count, of))} % of ${of.toLocaleString('en')}`);
  }
}

interface RowsReport {
  readonly part: string;
  /** How many there are. */
  readonly of: number;
  readonly report: (text: string) => void;
  readonly now?: () => number;
}

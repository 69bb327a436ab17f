/** How a table is written: what separates its fields, and whether quotes hold them together. */
import { formatValue } from '../lib/text.ts';
import { isAlike } from './columns.ts';
import { createDataFailure } from './findings.ts';

const delimiters = [';', '\t', ',', '|'];

const delimiterNames: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', ',': 'commas', '|': 'vertical bars' };

export function nameDelimiter(delimiter: string): string {
  return delimiterNames[delimiter] ?? formatValue(delimiter);
}

/**
 * The delimiter of a table. That one counts which makes most of the wanted columns; else the usual one, if the first line has it outside of
 * quotes; else the most frequent other one there.
 * @param begin the beginning of the text
 */
export function findDelimiter(begin: string, usual: string, wanted: readonly string[] = []): string {
  const line = /[^\r\n]+/.exec(begin.replaceAll(/"(?:[^"]|"")*"?/g, (quoted) => quoted.replaceAll(/[^"]/g, '_')))?.[0] ?? '';
  const whole = /[^\r\n]+/.exec(begin)?.[0] ?? '';
  const count = (delimiter: string): number => line.split(delimiter).length - 1;
  const countWanted = (delimiter: string): number => {
    const names = whole.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
    return wanted.filter((column) => names.some((name) => isAlike(name, column))).length;
  };
  const others = delimiters.filter((other) => other !== usual);
  const best = others.reduce((first, other) => (countWanted(other) > countWanted(first) ? other : first), usual);
  if (best !== usual || count(usual) > 0) return best;
  return others.reduce((first, other) => (count(other) > count(first) ? other : first), usual);
}

/** What a pass over a table found of its quotes, line by line. */
interface QuoteCounts {
  readonly lines: number;
  /** Lines with as many delimiters as the header. */
  readonly even: number;
  /** Fields that begin with a quote and do not end with one, on such lines. */
  readonly opened: number;
  /** Fields whose quotes are not as RFC 4180 writes them; null: the header is one of them, which no corpus has. */
  readonly stray: number | null;
}

/**
 * Whether quotes are text: corpora such as GLUE and the SMS collection are written without quoting, so that a field may begin with a quote
 * that never closes. Then every line has the fields of the header as it stands, and some quote is not as quoting would write it.
 */
export async function hasLiteralQuotes(chunks: AsyncIterable<Buffer>, delimiter: string): Promise<boolean> {
  const { lines, even, opened, stray } = await countQuotes(chunks, delimiter);
  if (stray === null || stray === 0) return false;
  return even === lines || (opened > 0 && even >= 0.9 * lines);
}

async function countQuotes(chunks: AsyncIterable<Buffer>, delimiter: string): Promise<QuoteCounts> {
  const counts = { lines: 0, even: 0, opened: 0, stray: 0 };
  let width = -1;
  let isHeaderCut = false;
  const add = (line: string): void => {
    if (line === '' || line === '\r') return;
    const fields = line.replace(/\r$/, '').split(delimiter);
    if (width < 0) {
      width = fields.length;
      isHeaderCut = (line.split('"').length - 1) % 2 === 1;
    }
    counts.lines++;
    const isEven = fields.length === width;
    if (isEven) counts.even++;
    if (!line.includes('"')) return;
    for (const field of fields) {
      if (!field.includes('"') || /^"(?:[^"]|"")*"$/.test(field)) continue;
      counts.stray++;
      if (isEven && field.startsWith('"')) counts.opened++;
    }
  };
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString('latin1')).split('\n'); // bytes: only their number and the quotes count here
    rest = lines.pop()!;
    for (const line of lines) add(line);
  }
  add(rest);
  return isHeaderCut ? { ...counts, stray: null } : counts;
}

export interface TableHeader {
  /** As they stand in the file. */
  readonly names: readonly string[];
  /** The columns that rows have: those that have a name of their own. */
  readonly columns: readonly { readonly name: string; readonly index: number }[];
}

/**
 * The columns of a table. Columns without a name and names that stand twice are left out, unless they are wanted: what nobody reads cannot
 * stop a job.
 * @param wanted absent: all
 * @throws Failure `data-invalid` for a wanted name that stands twice
 */
export function parseHeader(names: readonly string[], wanted: readonly string[] | undefined, place: string): TableHeader {
  if (names.some((name) => /\r(?!\n)/.test(name))) {
    throw createDataFailure('table-header', `${place}: expected the names of the columns, found a line that has further line ends inside`, {
      hint: "Some lines of the file end in CR alone and others do not: write all in one way, such as with `tr '\\r' '\\n'`.",
    });
  }
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const twice = names.find((name) => counts.get(name)! > 1 && name.trim() !== '' && wanted?.includes(name) !== false);
  if (twice !== undefined) {
    throw createDataFailure('column-twice', `${place}: expected different column names, found ${formatValue(twice)} twice`, {
      hint: 'Give one of the two columns another name.',
    });
  }
  const columns = names.map((name, index) => ({ name, index })).filter(({ name }) => name.trim() !== '' && counts.get(name) === 1);
  return { names, columns };
}

import { isUtf8 } from 'node:buffer';
import { Failure } from '../errors.ts';
import { readLines } from '../lib/lines.ts';
import type { RawRow } from './raw-row.ts';
import { formatValue } from '../lib/text.ts';

/**
 * The rows of JSON Lines: one object a line; lines of nothing but blanks are skipped.
 * @param refuse is given each line that is no object; where it returns, reading goes on.
 * @throws Failure `data-invalid` for a line that is too long.
 */
export async function* readJsonRows(
  chunks: AsyncIterable<Buffer>,
  path: string,
  refuse: (failure: Failure) => void,
): AsyncGenerator<RawRow> {
  let line = 0;
  for await (const lines of readLines(chunks, path)) {
    for (const bytes of lines) {
      line++;
      const row = parseLine(bytes, `${path}:${line}`);
      if (row instanceof Failure) refuse(row);
      else if (row !== null) yield { line, row };
    }
  }
}

const jsonBlanks = [...Buffer.from(' \t\r\n')];

/** The line's object, null where the line is blank, or what is wrong with it. */
function parseLine(bytes: Buffer, place: string): Record<string, unknown> | Failure | null {
  if (!isUtf8(bytes))
    return new Failure('data-invalid', `${place}: expected UTF-8, found other bytes`, { hint: 'Save the file as UTF-8.' });
  let end = bytes.length;
  while (end > 0 && jsonBlanks.includes(bytes[end - 1]!)) end--;
  if (end === 0) return null;
  const text = bytes.toString('utf8', 0, end);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return toJsonFailure(error as SyntaxError, text, place);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  return new Failure('data-invalid', `${place}: expected a JSON object on each line, found ${formatValue(value)}`);
}

/** V8 tells the position only in the message, and not always. */
function toJsonFailure(error: SyntaxError, text: string, place: string): Failure {
  const position = /at position (\d+)/.exec(error.message);
  const column = position !== null ? Number(position[1]) + 1 : error.message.includes('end of JSON input') ? text.length + 1 : null;
  const reason = error.message.replace(/ in JSON at position.*$/s, '').replace(/, ".*$/s, '');
  return new Failure('data-invalid', `${place}${column === null ? '' : `:${column}`}: not valid JSON: ${reason}, in ${formatValue(text)}`, {
    error,
  });
}

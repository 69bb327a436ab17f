/** Rows of a training's JSON Lines files, whatever they hold. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Failure, toFileFailure } from '../../errors.ts';
import { isObject } from '../../lib/json.ts';
import { readLines } from '../../lib/lines.ts';
import { formatValue } from '../../lib/text.ts';

export interface ReadRowsOptions {
  /** Is told how far the reading is, with each part of the file. */
  readonly onRead?: (progress: { readonly rows: number; readonly share: number }) => void;
}

export interface ChosenRowsOptions extends ReadRowsOptions {
  /** Gives the rows that are needed of so many, counted from 0; null: all. */
  readonly choose: ((count: number) => ReadonlySet<number> | null) | null;
}

/** A line's JSON, and its place for messages: `rows/train.jsonl:12`. */
export type RowParser<Row> = (json: Readonly<Record<string, unknown>>, source: string) => Row;

/**
 * The rows of a file with undefined in the place of each that is not needed, which is not looked at.
 * @throws Failure `data-invalid` naming the line, `file-missing`
 */
export async function readRowLines<Row>(
  path: string,
  parse: RowParser<Row>,
  { choose, onRead }: ChosenRowsOptions,
): Promise<(Row | undefined)[]> {
  const rows: (Row | undefined)[] = [];
  let [line, bytesRead] = [0, 0];
  try {
    const needed = choose?.(await countRows(path)) ?? null;
    const { size } = await stat(path);
    for await (const lines of readLines(createReadStream(path) as AsyncIterable<Buffer>, path)) {
      for (const bytes of lines) {
        const source = `${path}:${++line}`;
        bytesRead += bytes.length;
        if (needed?.has(rows.length) === false) {
          if (!isBlank(bytes)) rows.push(undefined);
          continue;
        }
        const json = parseLine(bytes, source);
        if (json !== null) rows.push(parse(json, source));
      }
      onRead?.({ rows: rows.length, share: Math.min(1, bytesRead / Math.max(1, size)) });
    }
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  }
  return rows;
}

/** Lines that are not blank, which costs far less than to read them. */
async function countRows(path: string): Promise<number> {
  let count = 0;
  for await (const lines of readLines(createReadStream(path) as AsyncIterable<Buffer>, path)) {
    for (const bytes of lines) if (!isBlank(bytes)) count++;
  }
  return count;
}

/** As `parseLine` has it. */
function isBlank(bytes: Buffer): boolean {
  return bytes[0] !== 0x7b && bytes.toString('utf8').trim() === '';
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The JSON object of a line; null for an empty line. @throws Failure `data-invalid` that names `source` */
export function parseLine(line: Uint8Array, source: string): Readonly<Record<string, unknown>> | null {
  let text = '';
  let json: unknown;
  try {
    text = decoder.decode(line).trim();
    json = text === '' ? null : JSON.parse(text);
  } catch (error) {
    const expected = error instanceof SyntaxError ? `JSON: ${text.slice(0, 100)}` : 'UTF-8';
    throw new Failure('data-invalid', `${source}: not valid ${expected}`, { error });
  }
  if (text === '') return null;
  if (!isObject(json)) throw new Failure('data-invalid', `${source}: expected a JSON object, found ${formatValue(json)}`);
  return json;
}

/** @throws Failure `model-invalid` when the tokenizer gives what the model's table of tokens does not have */
export function checkIds(ids: readonly number[], vocabSize: number): void {
  const id = ids.reduce((highest, other) => Math.max(highest, other), 0);
  if (id >= vocabSize)
    throw new Failure('model-invalid', `the tokenizer gives token ${id}, the model has tokens 0 to ${vocabSize - 1} only`);
}

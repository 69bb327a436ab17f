/** Rows as the lines of a file: JSON Lines, or a table after RFC 4180. */
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createDataFailure } from '../dataset/findings.ts';
import type { RawRow } from '../dataset/row.ts';
import { Failure, toFileFailure } from '../errors.ts';
import { unfinishedEnding } from '../lib/fs.ts';
import { formatValue } from '../lib/text.ts';

export const formats = ['jsonl', 'csv'] as const;

export type Format = (typeof formats)[number];

/** The format of a file that is written, by the end of its name. @throws Failure `usage` for another ending */
export function parseOutFormat(path: string): Format {
  if (/\.(jsonl|ndjson)$/i.test(path)) return 'jsonl';
  if (/\.csv$/i.test(path)) return 'csv';
  throw new Failure('usage', `expected an output that ends in .jsonl or .csv, found ${path}`);
}

/** @throws Failure `usage` where a file is there already, and may not be replaced */
export function checkOut(paths: readonly string[], force: boolean): void {
  const present = force ? [] : paths.filter((path) => existsSync(path));
  if (present.length === 0) return;
  throw new Failure('usage', `expected a new file, found one that is there already: ${present.join(', ')}`, {
    hint: 'Name another one with --out, or replace it with --force.',
  });
}

type Fields = Readonly<Record<string, unknown>>;

/** A row as a line with its end. `place` names it in errors. */
export type FormatRow = (row: Fields, place: string) => string;

export function formatJsonRow(row: Fields): string {
  return `${JSON.stringify(row)}\n`;
}

/** A row as the file has it, on one line: numbers keep all their digits. */
export function formatRawJson({ row, text }: RawRow): string {
  if (text === undefined) return formatJsonRow(row);
  const whole = text
    .replace(/^\ufeff/, '')
    .trim()
    .replace(/\s*,$/, '');
  return `${whole.replaceAll(/[ \t]*\r?\n[ \t]*/g, ' ')}\n`; // line ends stand between values only: inside of strings they are escaped
}

/** The line that names the columns. */
export function formatHeader(columns: readonly string[]): string {
  return formatRecord(columns);
}

/**
 * Rows of a table with these columns; an absent value is an empty field, and numbers and booleans are their JSON.
 * @throws Failure `data-invalid` for a value that a field cannot hold so that it is read again as it was
 */
export function createTableFormat(columns: readonly string[]): FormatRow {
  return (row, place) => {
    const other = Object.keys(row).find((name) => !columns.includes(name) && row[name] !== undefined);
    if (other !== undefined) {
      throw refuse(`${place}: expected the columns ${columns.map(formatValue).join(', ')}, found ${formatValue(other)} too`);
    }
    const fields = columns.map((name) => toField(row[name], `${place}: column ${formatValue(name)}`));
    if (fields[0]!.startsWith('\ufeff')) throw refuse(`${place}: expected a table, found a byte order mark at the beginning of a row`);
    const isHeader = fields.length > 1 && fields.every((field, i) => field === columns[i]);
    if (isHeader) throw refuse(`${place}: expected a row, found the names of the columns, which a table has in its first line only`);
    if (fields.every((field) => field.trim() === '')) throw refuse(`${place}: expected a row, found empty fields only`);
    return formatRecord(fields);
  };
}

function refuse(message: string): Failure {
  return createDataFailure('shape-target', message, {
    hint: 'Write JSON Lines (--out FILE.jsonl), or a form of texts alone, such as --to classification, multi-label or prompt-completion.',
  });
}

function toField(value: unknown, place: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value !== 'string') throw refuse(`${place}: expected a text, a number or a boolean, found ${formatValue(value)}`);
  if (value.includes('\0')) throw refuse(`${place}: expected text, found the character of code 0`);
  return value;
}

function formatRecord(fields: readonly string[]): string {
  const needsQuotes = (field: string): boolean => /["\r\n,;\t|]/.test(field) || (fields.length === 1 && field.trim() === '');
  return `${fields.map((field) => (needsQuotes(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\n`;
}

const chunkCharacters = 64 * 1024;

/** Adds lines to a file; resolves once there is room for more. */
export type WriteLines = (lines: string) => Promise<void>;

/**
 * Writes several files, all or none: each under another name beside its place, flushed to the disk, and moved there at the end.
 * @param fill is given a writer for each path; what it throws leaves nothing behind
 * @throws Failure `disk-full`, `permission-denied`, `file-missing`
 */
export async function writeTogether(paths: readonly string[], fill: (writers: readonly WriteLines[]) => Promise<void>): Promise<void> {
  const files: OpenFile[] = [];
  try {
    for (const path of paths) files.push(await openFile(path));
    await fill(files.map(({ write }) => write));
    for (const file of files) await file.close();
    for (const { unfinished, path } of files) await explain(rename(unfinished, path), path);
  } catch (error) {
    for (const { unfinished, abandon } of files) {
      await abandon();
      await rm(unfinished, { force: true }).catch(() => {}); // the first error is reported, not this one
    }
    throw error;
  }
}

interface OpenFile {
  readonly path: string;
  readonly unfinished: string;
  readonly write: WriteLines;
  close(): Promise<void>;
  abandon(): Promise<void>;
}

async function openFile(path: string): Promise<OpenFile> {
  const unfinished = join(dirname(path), `.${basename(path)}${unfinishedEnding}`);
  const file = await explain(open(unfinished, 'w'), path);
  let lines = '';
  const flush = async (): Promise<void> => {
    const text = lines;
    lines = '';
    await explain(file.writeFile(text), path);
  };
  return {
    path,
    unfinished,
    async write(more) {
      lines += more;
      if (lines.length >= chunkCharacters) await flush();
    },
    async close() {
      await flush();
      await explain(file.sync(), path);
      await file.close();
    },
    abandon: async () => await file.close().catch(() => {}), // closed already
  };
}

async function explain<T>(work: Promise<T>, path: string): Promise<T> {
  return await work.catch((error: unknown) => {
    throw toFileFailure(error, 'file of rows', path);
  });
}

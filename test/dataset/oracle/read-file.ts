/**
 * A second reader of data files, written from docs/data.md alone: slow, plain, the whole file in memory. It shares no code with src, so that
 * a mistake of one of the two shows as a disagreement.
 */
import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { parseStrictJson } from './strict-json.ts';

/** What stands on a line: a row as it is written, or why there is none. */
export type Entry = { readonly line: number } & ({ readonly row: Readonly<Record<string, unknown>> } | { readonly problem: string });

/** A fault after which nothing of the file counts; line 0: it has none. */
export class WholeFileFault extends Error {
  readonly line: number;
  constructor(line: number, problem: string) {
    super(problem);
    this.line = line;
  }
}

export interface FileContent {
  readonly isTable: boolean;
  readonly entries: readonly Entry[];
}

/** @param wanted the columns that are needed */
export function readFile(name: string, content: Uint8Array, wanted: readonly string[]): FileContent {
  const bytes = Buffer.from(content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content);
  const isTable = /\.[ct]sv/.test(name);
  if (bytes.length === 0) return { isTable, entries: [] };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return readWideText(bytes.subarray(2), name, wanted);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return readWideText(Buffer.from(bytes.subarray(2)).swap16(), name, wanted);
  if (isUtf8(bytes)) return readText(bytes.toString('utf8'), name, wanted);
  // Of rows that stand on lines only those with other bytes are lost.
  const lines = splitBytes(bytes);
  const damaged = lines.findIndex((line) => !isUtf8(line)) + 1;
  const text = bytes.toString('utf8');
  if (isTable || findLayout(text) !== 'lines') throw new WholeFileFault(damaged, 'no UTF-8');
  const { entries } = readText(text, name, wanted);
  const isLost = ({ line }: Entry): boolean => !isUtf8(lines[line - 1]!);
  return { isTable, entries: entries.map((entry) => (isLost(entry) ? { line: entry.line, problem: 'no UTF-8' } : entry)) };
}

/** UTF-16, whose file is lost with one half of a pair that has no other half. */
function readWideText(bytes: Buffer, name: string, wanted: readonly string[]): FileContent {
  const text = bytes.toString('utf16le');
  const alone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text);
  if (alone) throw new WholeFileFault(text.slice(0, alone.index).split('\n').length, 'half a character');
  return readText(text, name, wanted);
}

function splitBytes(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0x0a) continue;
    lines.push(bytes.subarray(start, at));
    start = at + 1;
  }
  return [...lines, bytes.subarray(start)];
}

function readText(given: string, name: string, wanted: readonly string[]): FileContent {
  const isTable = /\.[ct]sv/.test(name);
  const withoutMark = given.startsWith('\ufeff') ? given.slice(1) : given;
  const text = withoutMark.includes('\n') ? withoutMark : withoutMark.replaceAll('\r', '\n'); // old Macs
  if (isTable) return { isTable, entries: readTable(text, name, wanted) };
  const layout = findLayout(text);
  return { isTable, entries: layout === 'lines' ? readLines(text) : readItems(text, layout) };
}

function isWhite(character: string): boolean {
  return [' ', '\t', '\r', '\n', '\ufeff'].includes(character);
}

/** One list; or objects over several lines, where the first line begins an object and does not end it; or an object on each line. */
function findLayout(text: string): 'lines' | 'list' | 'stream' {
  const start = text.search(/[^ \t\r\n\ufeff]/);
  if (start < 0) return 'lines';
  const [first, ...rest] = text.slice(start).split('\n');
  const next = rest.find((line) => line.trim() !== '');
  if (first!.startsWith('[')) return first!.trim().endsWith(']') && next?.trim().startsWith('[') === true ? 'lines' : 'list';
  if (!first!.startsWith('{') || next === undefined) return 'lines';
  return findItemEnd(first!, 0) === 'inside brackets' ? 'stream' : 'lines';
}

/** Where a value ends: brackets are counted outside of strings, and values without brackets end before white space, commas and brackets. */
function findItemEnd(text: string, start: number): number | 'inside brackets' | 'inside a string' {
  let depth = 0;
  let isQuoted = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at]!;
    if (isQuoted) {
      if (character === '\\') at++;
      else if (character === '"') isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') {
      depth--;
      if (depth === 0) return at + 1;
      if (depth < 0) return Math.max(at, start + 1);
    } else if (depth === 0 && (character === ',' || isWhite(character))) return at;
  }
  return isQuoted ? 'inside a string' : depth > 0 ? 'inside brackets' : text.length;
}

function readLines(text: string): Entry[] {
  return text.split('\n').flatMap((whole, i): Entry[] => {
    const line = i + 1;
    const marked = whole.startsWith('\ufeff') ? whole.slice(1) : whole;
    if (/^[ \t\r]*$/.test(marked)) return [];
    const withoutComma = marked.replace(/,[ \t\r]*$/, '');
    return [toEntry(withoutComma, line)];
  });
}

function toEntry(text: string, line: number): Entry {
  const read = parseStrictJson(text);
  if ('problem' in read) return { line, problem: read.problem };
  const { value } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { line, problem: 'no object' };
  return { line, row: value as Record<string, unknown> };
}

function readItems(text: string, layout: 'list' | 'stream'): Entry[] {
  const entries: Entry[] = [];
  const lineAt = (at: number): number => text.slice(0, at).split('\n').length;
  let at = layout === 'list' ? text.indexOf('[') + 1 : 0;
  for (;;) {
    while (at < text.length && (isWhite(text[at]!) || text[at] === ',')) at++;
    if (at === text.length) {
      if (layout === 'list') throw new WholeFileFault(lineAt(at), 'the list does not end');
      return entries;
    }
    if (layout === 'list' && text[at] === ']') break;
    const end = findItemEnd(text, at);
    if (typeof end === 'string') throw new WholeFileFault(lineAt(at), 'an item does not end');
    entries.push(toEntry(text.slice(at, end), lineAt(at)));
    at = end;
  }
  const more = text.slice(at + 1).search(/[^ \t\r\n\ufeff]/);
  if (more >= 0) throw new WholeFileFault(lineAt(at + 1 + more), 'text after the list');
  return entries;
}

interface TableRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

function readTable(text: string, name: string, wanted: readonly string[]): Entry[] {
  const named = /^sep=(.)\r?\n/.exec(text)?.[1];
  const body = named === undefined ? text : text.slice(text.indexOf('\n') + 1);
  const delimiter = named ?? findDelimiter(body, /\.tsv/.test(name) ? '\t' : ',', wanted);
  const [header, ...records] = parseRecords(body, delimiter).map(({ line, fields }) => ({
    line: named === undefined ? line : line + 1,
    fields: fields[0]!.startsWith('\ufeff') ? [fields[0]!.slice(1), ...fields.slice(1)] : fields,
  }));
  if (header === undefined) return [];
  const names = header.fields;
  if (wanted.some((column) => names.filter((one) => one === column).length > 1)) throw new WholeFileFault(header.line, 'a column twice');
  return records.flatMap(({ line, fields }): Entry[] => {
    if (names.length > 1 && fields.every((field) => field.trim() === '')) return [];
    if (names.length > 1 && fields.length === names.length && fields.every((field, i) => field === names[i])) {
      return [{ line, problem: 'the header again' }];
    }
    const beyond = fields.length > names.length ? fields.slice(names.length) : names.slice(fields.length);
    if (beyond.some((one) => one.trim() !== '')) return [{ line, problem: 'other fields than the header' }];
    const isOnce = (one: string): boolean => one.trim() !== '' && names.filter((other) => other === one).length === 1;
    const pairs = names.map((one, i) => [one, fields[i]] as const).filter(([one]) => isOnce(one));
    return [{ line, row: Object.fromEntries(pairs) }];
  });
}

/** The one that makes most of the wanted columns; else the usual one; else the most frequent. */
function findDelimiter(text: string, usual: string, wanted: readonly string[]): string {
  // The first record, whose quoted fields may have line ends.
  const masked = text.replaceAll(/"(?:[^"]|"")*"?/g, (quoted) => quoted.replaceAll(/[\r\n]/g, '_'));
  const header = masked.split(/\r*\n/).find((line) => line !== '') ?? '';
  const plain = (one: string): string =>
    one
      .trim()
      .replace(/^"(.*)"$/, '$1')
      .trim()
      .toLowerCase();
  const score = (delimiter: string): number => {
    const names = header.split(delimiter).map(plain);
    return wanted.filter((column) => names.includes(column.toLowerCase())).length;
  };
  const all = [usual, ...[';', '\t', ',', '|'].filter((one) => one !== usual)];
  const most = Math.max(...all.map(score));
  const best = all.find((one) => score(one) === most)!;
  const bare = header.replaceAll(/"(?:[^"]|"")*"?/g, '');
  if (most > 0 || bare.includes(usual)) return best;
  const counts = all.map((one) => bare.split(one).length);
  return all[counts.indexOf(Math.max(...counts))]!;
}

/** After RFC 4180; tables with tabs or bars whose quotes are not after it have quotes that are text. */
function parseRecords(text: string, delimiter: string): TableRecord[] {
  try {
    return parseQuoted(text, delimiter);
  } catch (error) {
    if (!(error instanceof WholeFileFault) || (delimiter !== '\t' && delimiter !== '|')) throw error;
    return text.split('\n').flatMap((line, i) => {
      const content = line.replace(/\r{0,2}$/, '');
      return content === '' ? [] : [{ line: i + 1, fields: content.split(delimiter) }];
    });
  }
}

function parseQuoted(text: string, delimiter: string): TableRecord[] {
  const records: TableRecord[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const begin = line;
    const fields: string[] = [];
    for (let isOpen = true; isOpen;) {
      let field = '';
      if (text[at] === '"') {
        for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
          if (at >= text.length) throw new WholeFileFault(begin, 'a quote that is not closed');
          if (text[at] === '"') at++;
          if (text[at] === '\n') line++;
          field += text[at]!;
        }
        at++;
        if (at < text.length && text[at] !== delimiter && !/^\r{0,2}\n/.test(text.slice(at, at + 3)))
          throw new WholeFileFault(begin, 'text after a quote');
      } else {
        for (; at < text.length && text[at] !== delimiter && !/^\r{0,2}\n/.test(text.slice(at, at + 3)); at++) {
          if (text[at] === '"') throw new WholeFileFault(begin, 'a quote inside a field');
          field += text[at]!;
        }
      }
      fields.push(field);
      isOpen = text[at] === delimiter;
      if (isOpen) at++;
    }
    while (at < text.length && text[at] !== '\n') at++;
    at++;
    line++;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: begin, fields });
  }
  return records;
}

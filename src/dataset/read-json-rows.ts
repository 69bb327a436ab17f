/** Rows of JSON: one object a line, the items of one list, or objects over several lines. */
import { isUtf8 } from 'node:buffer';
import type { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { maxLineBytes } from '../lib/lines.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import { createJsonFailure } from './json-failure.ts';
import { createNoteOnce, tryParse, type RowEvents } from './row-events.ts';
import type { RawRow } from './row.ts';
import { createJsonSplitter, findKeyTwice, isBegunOnly, mayHaveKeyTwice, type JsonLayout } from './split-json.ts';

const lineFeed = 0x0a;

/**
 * The rows in batches. Lines of blanks only are skipped; lines end at LF and nowhere else.
 * @param events receives each value that is no usable row; reading goes on after it.
 * @throws Failure `data-invalid` for a row that is too long, and for a list that does not end.
 */
export async function* readJsonRows(chunks: AsyncIterable<Buffer>, path: string, events: RowEvents): AsyncGenerator<RawRow[], void> {
  let reader: BlockReader | null = null;
  let line = 0;
  for await (const block of readBlocks(chunks, path, () => line)) {
    if (reader === null) {
      const layout = findLayout(block);
      if (layout === 'blank') {
        line += countLines(block);
        continue;
      }
      reader = layout === 'lines' ? createLineReader(path, events, line) : createItemReader({ path, layout, events, before: line });
    }
    const rows = reader.read(block);
    line = reader.getLine();
    if (rows.length > 0) yield rows;
  }
  reader?.end();
}

interface BlockReader {
  read(block: Buffer): RawRow[];
  /** The last line that was read. */
  getLine(): number;
  end(): void;
}

/** Bytes that end with a line, as many as there are at once. A byte order mark at the start is taken off. */
async function* readBlocks(chunks: AsyncIterable<Buffer>, path: string, getLine: () => number): AsyncGenerator<Buffer, void> {
  let open: Buffer[] = [];
  let bytes = 0;
  let isFirst = true;
  const close = (last: Buffer): Buffer => {
    const whole = open.length === 0 ? last : Buffer.concat([...open, last]);
    const hasMark = isFirst && whole.length >= 3 && whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf;
    open = [];
    bytes = 0;
    isFirst = false;
    return hasMark ? whole.subarray(3) : whole;
  };
  let held: Buffer | null = null; // the first block, which shows the layout: of a short file all of it
  for await (const chunk of chunks) {
    if (held !== null) yield held;
    held = null;
    const end = chunk.lastIndexOf(lineFeed);
    if (end >= 0) {
      const wasFirst = isFirst;
      const block = close(chunk.subarray(0, end + 1));
      if (wasFirst) held = block;
      else yield block;
    }
    if (end + 1 < chunk.length) {
      open.push(chunk.subarray(end + 1));
      bytes += chunk.length - end - 1;
    }
    if (bytes > maxLineBytes) throw createLongFailure(path, getLine() + 1);
  }
  const last = bytes > 0 ? close(Buffer.alloc(0)) : Buffer.alloc(0);
  if (held !== null || last.length > 0) yield held === null ? last : Buffer.concat([held, last]);
}

function createLongFailure(path: string, line: number): Failure {
  return createDataFailure('json-invalid', `${path}:${line}: expected a row of at most ${maxLineBytes} bytes, found a longer one`, {
    hint: 'Check that the file has one row per line.',
  });
}

function countLines(block: Buffer): number {
  let count = 0;
  for (let at = block.indexOf(lineFeed); at >= 0; at = block.indexOf(lineFeed, at + 1)) count++;
  return count;
}

/** So much of a text says whether lists follow one another. */
const sampleLength = 4096;

function findLayout(block: Buffer): 'blank' | 'lines' | JsonLayout {
  const text = block.toString('utf8');
  const begin = /[^\s\ufeff]/.exec(text);
  if (begin === null) return 'blank';
  const end = text.indexOf('\n', begin.index);
  if (begin[0] === '[')
    return end >= 0 && /^[^\n]*\]\s*\n\s*\[/.test(text.slice(begin.index, begin.index + sampleLength)) ? 'lines' : 'list';
  if (begin[0] !== '{') return 'lines';
  return end >= 0 && isBegunOnly(text.slice(begin.index, end)) && /[^\s]/.test(text.slice(end)) ? 'stream' : 'lines';
}

function createLineReader(path: string, events: RowEvents, before: number): BlockReader {
  let line = before;
  const onNote = createNoteOnce(events.onNote, path);
  const parse = (text: string): Record<string, unknown> | null => {
    const isMarked = text.charCodeAt(0) === 0xfeff;
    if (isMarked) onNote('mark-inside', line, 'there is a byte order mark inside the file, as where files were joined: it was left out');
    return parseRow(isMarked ? text.slice(1) : text, `${path}:${line}`, () =>
      onNote('json-comma', line, 'rows have a comma after them, which was left out'),
    );
  };
  const add = (rows: RawRow[], text: string): void => {
    line++;
    const at = line;
    const row = tryParse(() => parse(text), events.onBadRow, { source: path, line: at });
    if (row !== null) rows.push(events.withText === true ? { line: at, row, text } : { line: at, row });
  };
  return {
    read(block) {
      const rows: RawRow[] = [];
      if (!isUtf8(block)) {
        for (const bytes of splitLines(block)) {
          if (isUtf8(bytes)) add(rows, toLine(bytes.toString('utf8')));
          else events.onBadRow(createEncodingFailure(`${path}:${++line}`), { source: path, line });
        }
        return rows;
      }
      const text = block.toString('utf8');
      for (let start = 0; start < text.length;) {
        const end = text.indexOf('\n', start);
        add(rows, end < 0 ? text.slice(start) : text.slice(start, end));
        start = end < 0 ? text.length : end + 1;
      }
      return rows;
    },
    getLine: () => line,
    end() {},
  };
}

function toLine(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

function* splitLines(block: Buffer): Generator<Buffer> {
  for (let start = 0; start < block.length;) {
    const end = block.indexOf(lineFeed, start);
    yield block.subarray(start, end < 0 ? block.length : end + 1);
    start = end < 0 ? block.length : end + 1;
  }
}

export function createEncodingFailure(place: string): Failure {
  return createDataFailure('encoding', `${place}: expected UTF-8, found other bytes`, {
    hint: 'Save the file as UTF-8, such as with `iconv -f WINDOWS-1252 -t UTF-8` where it comes from Windows.',
  });
}

interface ItemSource {
  readonly path: string;
  readonly layout: JsonLayout;
  readonly events: RowEvents;
  /** Blank lines before the first one. */
  readonly before: number;
}

function createItemReader({ path, layout, events, before }: ItemSource): BlockReader {
  let line = before;
  const onNote = createNoteOnce(events.onNote, path);
  const splitter = createJsonSplitter(layout, (at) => {
    const found = 'found more: only one list, or one object a line, can be read';
    throw createDataFailure('json-other', `${path}:${before + at}: expected the end of the file after the list, ${found}`);
  });
  if (layout === 'list') onNote('json-list', null, 'the file is one JSON list: its items were read as the rows');
  else onNote('json-spread', null, 'the rows are written over several lines, and were read as such');
  return {
    read(block) {
      if (!isUtf8(block)) throw createEncodingFailure(`${path}:${line + 1 + [...splitLines(block)].findIndex((bytes) => !isUtf8(bytes))}`);
      const rows: RawRow[] = [];
      for (const item of splitter.split(block.toString('utf8'))) {
        const at = before + item.line;
        const row = tryParse(() => parseRow(item.text, `${path}:${at}`, null), events.onBadRow, { source: path, line: at });
        if (row !== null) rows.push(events.withText === true ? { line: at, row, text: item.text } : { line: at, row });
      }
      line += countLines(block);
      if (splitter.getOpenLength() > maxLineBytes) throw createLongFailure(path, before + splitter.findEndProblem()!.line);
      return rows;
    },
    getLine: () => line,
    end() {
      const end = splitter.findEndProblem();
      if (end === null) return;
      const at = before + end.line;
      const place = `${path}:${at}`;
      if (end.problem === 'bare-text')
        return void tryParse(() => parseRow(end.text!, place, null), events.onBadRow, { source: path, line: at });
      const expected = end.problem === 'open-list' ? 'the list to end with "]"' : `the end of the object that begins here`;
      throw createDataFailure('json-invalid', `${place}: not valid JSON: expected ${expected}, found the end of the file`, {
        hint: 'The file is cut short: write or download it again.',
      });
    },
  };
}

/** The object of a text, or null where it is blank. @param onComma is called for a comma after it; null: it is none of the text */
function parseRow(text: string, place: string, onComma: (() => void) | null): Record<string, unknown> | null {
  let value: unknown;
  let row = text;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!/[^ \t\r]/.test(text)) return null;
    row = text.replace(/,[ \t\r]*$/, '');
    const isAfterComma = onComma !== null && row.length < text.length;
    try {
      if (!isAfterComma) throw error;
      value = JSON.parse(row);
    } catch {
      throw createJsonFailure(error as SyntaxError, text.trimEnd(), place);
    }
    onComma?.();
  }
  if (!isObject(value)) {
    throw createDataFailure('json-other', `${place}: expected a JSON object on each line, found ${formatValue(value)}`, {
      hint: 'A row has names for its values, such as {"text": "…", "label": "…"}.',
    });
  }
  if (mayHaveKeyTwice(row, value)) {
    const key = findKeyTwice(row);
    if (key !== null) {
      throw createDataFailure('key-twice', `${place}: expected each key once, found ${formatValue(key)} twice`, {
        hint: 'JSON does not say which of the two values holds: remove one of them.',
      });
    }
  }
  return value;
}

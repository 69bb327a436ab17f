import { gzipSync } from 'node:zlib';
import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFailure, type Failure } from '../../src/errors.ts';
import { readJsonRows } from '../../src/dataset/read-json-rows.ts';
import { readRows } from '../../src/dataset/read-rows.ts';
import type { RawRow } from '../../src/dataset/row.ts';
import { createDataFolder } from './data-folder.ts';

async function read(path: string): Promise<RawRow[]> {
  return Array.fromAsync(readRows(path));
}

const strict = {
  onNote: (): void => {},
  onBadRow: (failure: Failure): never => {
    throw failure;
  },
};

test('JSON Lines: blank lines are skipped and counted, \\r and a byte order mark are not seen, U+2028 is a character', async () => {
  const write = createDataFolder();
  const path = write('rows.jsonl', '\uFEFF{"a":"x\u2028y"}\r\n\r\n \t\n{"a":"\u0085"}');
  expect(await read(path)).toEqual([
    { line: 1, row: { a: 'x\u2028y' } },
    { line: 4, row: { a: '\u0085' } },
  ]);
});

test('JSON Lines: any object comes back whatever the size of the chunks', async () => {
  const values = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(values, fc.integer({ min: 1, max: 20 }), async (rows, size) => {
      const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      async function* chunks(): AsyncGenerator<Buffer> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      const found = (await Array.fromAsync(readJsonRows(chunks(), 'x', strict))).flat();
      expect(found.map(({ row }) => JSON.stringify(row))).toEqual(rows.map((row) => JSON.stringify(row)));
      expect(found.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1));
    }),
  );
});

test('a column named __proto__ is data, in both kinds of file', async () => {
  const write = createDataFolder();
  for (const path of [write('a.jsonl', '{"__proto__": "x"}'), write('a.csv', '__proto__\nx\n')]) {
    const [{ row } = { row: {} }] = await read(path);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(Object.entries(row)).toEqual([['__proto__', 'x']]);
  }
});

test('tables: quotes, doubled quotes, line ends inside fields, and the line on which each row begins', async () => {
  const write = createDataFolder();
  const csv = '\uFEFFtext,label\r\n\r\n"a, ""b""\r\n\r\nc",1\n\n\n"d\ne",2\r\nf,""\n';
  const expected = [
    { line: 3, row: { text: 'a, "b"\r\n\r\nc', label: '1' } },
    { line: 8, row: { text: 'd\ne', label: '2' } },
    { line: 10, row: { text: 'f', label: '' } },
  ];
  expect(await read(write('a.csv', csv))).toEqual(expected);
  expect(await read(write('a.csv.gz', gzipSync(csv)))).toEqual(expected);
  expect(await read(write('a.TSV', 'text\tlabel\na, b\t1'))).toEqual([{ line: 2, row: { text: 'a, b', label: '1' } }]);
});

test.each([
  ['a.csv', ';', 'as spreadsheets write it where decimals have a comma'],
  ['a.csv', '\t', 'under the name of another kind'],
  ['a.csv', '|', 'of databases'],
  ['a.tsv', ',', 'under the name of another kind'],
  ['a.tsv', ';', 'under the name of another kind'],
])('tables: %s with the delimiter %j, %s', async (name, delimiter) => {
  const text = `\n"a ""text"", ;|\t\nof two lines"${delimiter}label\n\n"x, y; z"${delimiter}1\n`;
  const row = { 'a "text", ;|\t\nof two lines': 'x, y; z', label: '1' };
  expect(await read(createDataFolder()(name, text))).toEqual([{ line: 5, row }]);
});

test('tables: the usual delimiter counts where the first line has it, and a first line sep=; names another', async () => {
  const write = createDataFolder();
  expect(await read(write('a.csv', 'a;b;c,d\n1,2\n'))).toEqual([{ line: 2, row: { 'a;b;c': '1', d: '2' } }]);
  expect(await read(write('b.csv', 'text\none; two\n'))).toEqual([{ line: 2, row: { text: 'one; two' } }]);
  expect(await read(write('c.csv', 'sep=;\r\na;b,c\r\n1;"2\r\n3"\r\n4;5\r\n'))).toEqual([
    { line: 3, row: { a: '1', 'b,c': '2\r\n3' } },
    { line: 5, row: { a: '4', 'b,c': '5' } },
  ]);
});

test.each([
  ['a.jsonl', '{"a":1}\n{"a":}\n', ':2: not valid JSON: found "}" where JSON has none'],
  ['a.jsonl', '{"a":1}\n{"a":1\n', ':2:7: not valid JSON'],
  ['a.jsonl', '{"a":\n', ':1:6: not valid JSON: found the end of the line before that of its object'],
  ['a.jsonl', '{"a":1} {"b":2}', ':1:9: not valid JSON'],
  ['a.jsonl', '{"a":NaN}', ':1'],
  ['a.jsonl', '{"a":1}\u00a0', ':1:8'],
  ['a.jsonl', '\n[1]', ':2: expected a JSON object on each line, found 1'],
  ['a.jsonl', '[{"role":"user"}]\n[{"role":"user"}]\n', ':1: expected a JSON object on each line, found a list'],
  ['a.jsonl', '[{"a":1}][{"a":2}]', ':1: expected the end of the file after the list'],
  ['a.jsonl', '[{"a":1},\n{"a":2}\n', ':3: not valid JSON: expected the list to end with "]", found the end'],
  ['a.jsonl', '{\n "a": 1\n}\n{\n "a":\n', ':4: not valid JSON: expected the end of the object that begins here'],
  ['a.jsonl', "{'a': 'x', 'b': None}", ':1: not valid JSON: expected an object, found the notation of Python'],
  ['a.jsonl', '{"a": True}', ':1: not valid JSON: expected an object, found the notation of Python'],
  ['a.jsonl', '{"a": "None, NaN", "b": -Infinity}', ':1: not valid JSON: expected an object, found NaN or Infinity'],
  ['a.jsonl', '{"a": 1,}', ':1: not valid JSON: expected an object, found a comma before a closing bracket'],
  ['a.jsonl', '{\u201ca\u201d: 1}', ':1: not valid JSON: expected an object, found curly quotes'],
  ['a.jsonl', '{"a":1}\n{"a":1,"b":{"c":1,"c" : 2}}', ':2: expected each key once, found "b.c" twice'],
  ['a.jsonl', '{"a":[{"b":1},{"b":1,"b":2}]}', ':1: expected each key once, found "a[1].b" twice'],
  ['a.jsonl', 'null', ':1: expected a JSON object on each line, found null'],
  ['a.jsonl', '"text"', ':1: expected a JSON object on each line, found "text"'],
  ['a.jsonl', Buffer.from('7b7d0a7b2261223a22c080227d', 'hex'), ':2: expected UTF-8'], // an overlong NUL
  ['a.jsonl', Buffer.from('7b2261223a22eda080227d', 'hex'), ':1: expected UTF-8'], // half of a surrogate pair
  ['a.jsonl', Buffer.from('\ufeff{"a":"\ud800"}', 'utf16le'), ':1: expected UTF-16, as the file begins'],
  ['a.jsonl', Buffer.from('0000feff0000007b', 'hex'), ': expected text in UTF-8, found UTF-32'],
  ['a.jsonl', '{"a":"x\0"}', ':1: expected text, found a character of code 0'],
  ['a.csv', gzipSync(Buffer.from('PAR1\x15')), ': expected rows, found a Parquet file'],
  ['a.jsonl', '<!DOCTYPE html>\n<html>', ': expected rows, found a page of HTML'],
  ['a.csv', 'a,b\n1,2\n\n3\n', ':4: expected 2 fields (a, b), found 1'],
  ['a.csv', 'a,b\n"x\ny",2\n1,2,3\n', ':4: expected 2 fields (a, b), found 3'],
  ['a.csv', 'a,b\n1,2\n"x,2\n3,4\n', ':3: expected a row, found a double quote that is never closed'],
  ['a.csv', 'a,b\nx "y",2\n', ':2: expected a row, found a double quote inside a field without quotes'],
  ['a.csv', 'a,b\n"x"y,2\n', ':2: expected a row, found text after the closing quote'],
  ['a.csv', 'a,b,a\n1,2,3\n', ':1: expected different column names, found "a" twice'],
  ['a.csv', 'a,b\n1,2\na,b\n3,4\n', ':3: expected a row, found the names of the columns again'],
  ['a.csv', Buffer.from('a,b\n1,\xe9\n', 'latin1'), ':2: expected UTF-8'],
  ['a.jsonl.gz', Buffer.from('1f8b0800', 'hex'), ': cannot be decompressed'],
  ['a.jsonl.gz', gzipSync('{"a":1}').subarray(0, -6), ': cannot be decompressed'],
  ['a.orc', '', '.jsonl, .json, .csv, .tsv or .parquet'],
  ['jsonl', '', '.jsonl, .json, .csv, .tsv or .parquet'],
])('%s with %j fails at its place', async (name, content, message) => {
  const path = createDataFolder()(name, content);
  const place = message.startsWith(':') ? `${path}${message}` : message;
  await expect(read(path)).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining(place) });
});

test('a file that is not there, a folder, and a folder of gzip name', async () => {
  const folder = createDataFolder()('folder', '').replace(/folder$/, 'x.jsonl');
  await expect(read(folder)).rejects.toMatchObject({ code: 'file-missing', message: `data file not found: ${folder}` });
  await expect(read(`${folder}.gz`)).rejects.toMatchObject({ code: 'file-missing' });
  mkdirSync(folder);
  await expect(read(folder)).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining('found a folder') });
});

test('bad rows go to onBadRow and reading goes on', async () => {
  const write = createDataFolder();
  for (const path of [write('a.jsonl', '{"a":"1"}\nx\n3\n{"a":"4"}\n'), write('a.csv', 'a\n2,5\n,3\n4\n')]) {
    const failures: Failure[] = [];
    const rows = await Array.fromAsync(readRows(path, { onBadRow: (failure) => failures.push(failure) }));
    expect(failures.map(({ message }) => message.slice(path.length, path.length + 2))).toEqual([':2', ':3']);
    expect(rows.at(-1)).toEqual({ line: 4, row: { a: '4' } });
  }
});

test('onBytes sees the decompressed bytes, byte order mark included', async () => {
  const path = createDataFolder()('a.jsonl.gz', gzipSync('\uFEFF{}\n'));
  const seen: Buffer[] = [];
  await Array.fromAsync(readRows(path, { onBytes: (bytes) => seen.push(bytes) }));
  expect(Buffer.concat(seen).toString('utf8')).toBe('\uFEFF{}\n');
});

test('a reader may stop early', async () => {
  const write = createDataFolder();
  for (const path of [write('a.csv', `a\n${'1\n'.repeat(200_000)}`), write('a.jsonl.gz', gzipSync('{}\n'.repeat(200_000)))]) {
    const lines: number[] = [];
    for await (const { line } of readRows(path)) if (lines.push(line) === 2) break;
    expect(lines).toHaveLength(2);
  }
});

const rows = [
  { text: 'größer, "x"', label: 'ja' },
  { text: 'b', label: 'nein' },
];
const lines = rows.map((row) => `${JSON.stringify(row)}\n`);
const utf16 = (text: string, isBig = false): Buffer => (isBig ? Buffer.from(text, 'utf16le').swap16() : Buffer.from(text, 'utf16le'));
const pretty = JSON.stringify(rows, null, 2);

test.each([
  ['a.jsonl', utf16(`\ufeff${lines.join('')}`), [1, 2], ['utf-16']],
  ['a.jsonl', utf16(`\ufeff${lines.join('')}`, true), [1, 2], ['utf-16']],
  ['a.jsonl', utf16(lines.join('')), [1, 2], ['utf-16']],
  ['a.jsonl', utf16(lines.join(''), true), [1, 2], ['utf-16']],
  // "Unicode text" of Excel
  ['a.csv', utf16('\ufefftext\tlabel\r\n"größer, ""x"""\tja\r\nb\tnein\r\n'), [2, 3], ['utf-16', 'table-delimiter']],
  ['a.jsonl', gzipSync(lines.join('')), [1, 2], ['gzip-name']],
  ['a.csv', gzipSync('text,label\n"größer, ""x""",ja\nb,nein\n'), [2, 3], ['gzip-name']],
  ['a.jsonl', lines.join('').replaceAll('\n', '\r'), [1, 2], ['line-ends']],
  ['a.csv', 'text,label\r"größer, ""x""",ja\rb,nein\r', [2, 3], ['line-ends']],
  ['a.json', JSON.stringify(rows), [1, 1], ['json-list']],
  ['a.jsonl', `\ufeff\n${pretty}\n`, [3, 7], ['json-list']],
  ['a.json', `[\n${lines.map((line) => line.trim()).join(',\n')}\n]`, [2, 3], ['json-list']],
  ['a.json', lines.join(''), [1, 2], []],
  ['a.ndjson', lines.join('\n'), [1, 3], []],
  ['a.jsonl', rows.map((row) => JSON.stringify(row, null, 1)).join('\n'), [1, 5], ['json-spread']],
  ['a.jsonl', rows.map((row) => JSON.stringify(row, null, 1)).join(',\r\n'), [1, 5], ['json-spread']],
  ['a.jsonl', lines.map((line) => line.replace('\n', ',\r\n')).join(''), [1, 2], ['json-comma']],
  ['a.jsonl', lines.join('\ufeff'), [1, 2], ['mark-inside']],
  ['a.csv', lines.join(''), [1, 2], ['format-other']],
  ['a.tsv', pretty, [2, 6], ['format-other', 'json-list']],
  ['a.csv', 'text,label,\n"größer, ""x""",ja,\nb,nein,\n,,\n,,\n', [2, 3], ['table-empty-rows']],
  ['a.csv', 'text,label\n"größer, ""x""",ja,,\nb,nein,,\n', [2, 3], []],
  ['a.csv', ',text,label,x,x\n0,"größer, ""x""",ja,1,2\n1,b,nein,3,4\n', [2, 3], []],
])('%# %s is read with a note on what is not as its name says', async (name, content, at, codes) => {
  const path = createDataFolder()(name, content);
  const notes: string[] = [];
  const found = await Array.fromAsync(readRows(path, { columns: ['text', 'label'], onNote: ({ code }) => notes.push(code) }));
  expect(found).toEqual(rows.map((row, i) => ({ line: at[i], row })));
  expect(notes).toEqual(codes);
});

test.each([
  ['of a corpus', 'sentence\tlabel\nplain\t1\n"so it begins\t0\n', ['plain', '"so it begins']],
  ['in pairs over lines', 'sentence\tlabel\n"so it begins\t1\nso it ends"\t0\n', ['"so it begins', 'so it ends"']],
  ['in the middle', 'sentence\tlabel\nhe said "no"\t1\n"x"\t0\n', ['he said "no"', '"x"']],
])('tables of tabs: quotes %s are text', async (_, content, texts) => {
  const notes: string[] = [];
  const found = await Array.fromAsync(readRows(createDataFolder()('a.tsv', content), { onNote: ({ code }) => notes.push(code) }));
  expect(found.map(({ row }) => row['sentence'])).toEqual(texts);
  expect(notes).toEqual(['table-quotes']);
});

test('quotes of a table are what the caller says, without a look at them; else the message says how', async () => {
  const path = createDataFolder()('a.csv', 'text,label\nthe 5" screen,a\n"so" he said,b\n"c",d\n');
  const read = async (quote?: 'none' | 'double', from = path): Promise<unknown[]> => {
    const notes: unknown[] = [];
    const rows = await Array.fromAsync(readRows(from, { quote, onNote: (note) => notes.push(note) }));
    return [...rows.map(({ row }) => row['text']), ...notes];
  };
  expect(await read('none')).toEqual(['the 5" screen', '"so" he said', '"c"']);
  for (const quote of ['double', undefined] as const) {
    const failure = await read(quote).catch((error: unknown) => error);
    expect(isFailure(failure, 'data-invalid') && failure.hint).toContain(
      'If quotes are text in the whole table: --quote none, or data.quote "none"',
    );
  }
  // Fields over two lines are rare here, so that the file seems to have no quoting.
  const tabs = `label\ttext\n1\t"a\nb"\n${'0\tx\n'.repeat(30)}`;
  const other = createDataFolder()('a.tsv', tabs);
  expect((await read('double', other))[0]).toBe('a\nb');
  const few = createDataFolder()('b.csv', 'text,label\n"a, b",c\n');
  const failure = await read('none', few).catch((error: unknown) => error);
  expect(isFailure(failure, 'data-invalid') && failure.hint).toContain('If they hold fields together: --quote double');
});

test('tables of tabs: quotes that hold a field together over lines are no text', async () => {
  const path = createDataFolder()('a.tsv', 'id\ttext\n1\t"two\nlines"\n2\t"a\ttab"\n3\tplain\n');
  expect((await read(path)).map(({ row }) => row['text'])).toEqual(['two\nlines', 'a\ttab', 'plain']);
});

test('tables: a delimiter counts that makes the wanted columns, also where the usual one is in the header', async () => {
  const path = createDataFolder()('a.csv', 'text;label;price, EUR\nfine;yes;1,5\n');
  const [first] = await Array.fromAsync(readRows(path, { columns: ['text', 'label'] }));
  expect(first).toEqual({ line: 2, row: { text: 'fine', label: 'yes', 'price, EUR': '1,5' } });
});

test('JSON over lines comes back whatever the size of the chunks', async () => {
  const value = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 20 }), async (items, size) => {
      const bytes = Buffer.from(JSON.stringify(items, null, 2));
      async function* chunks(): AsyncGenerator<Buffer> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      const found = (await Array.fromAsync(readJsonRows(chunks(), 'x', strict))).flat();
      expect(found.map(({ row }) => JSON.stringify(row))).toEqual(items.map((item) => JSON.stringify(item)));
    }),
  );
});

import { gzipSync } from 'node:zlib';
import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Failure } from '../../src/errors.ts';
import { readJsonRows, readRows } from '../../src/dataset/read-rows.ts';
import type { RawRow } from '../../src/dataset/row.ts';
import { createDataFolder } from './data-folder.ts';

async function read(path: string): Promise<RawRow[]> {
  return Array.fromAsync(readRows(path));
}

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
      const found = await Array.fromAsync(
        readJsonRows(chunks(), 'x', (failure) => {
          throw failure;
        }),
      );
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
  ['a.jsonl', '{"a":1}\n{"a":}\n', ":2: not valid JSON: Unexpected token '}'"],
  ['a.jsonl', '{"a":1}\n{"a":1\n', ':2:7: not valid JSON'],
  ['a.jsonl', '{"a":\n', ':1:6: not valid JSON: Unexpected end'],
  ['a.jsonl', '{"a":1} {"b":2}', ':1:9: not valid JSON'],
  ['a.jsonl', '{"a":NaN}', ':1'],
  ['a.jsonl', '{"a":1}\u00a0', ':1:8'],
  ['a.jsonl', '\n[1]', ':2: expected a JSON object on each line, found a list'],
  ['a.jsonl', 'null', ':1: expected a JSON object on each line, found null'],
  ['a.jsonl', '"text"', ':1: expected a JSON object on each line, found "text"'],
  ['a.jsonl', Buffer.from('7b7d0a7b2261223a22c080227d', 'hex'), ':2: expected UTF-8'], // an overlong NUL
  ['a.jsonl', Buffer.from('7b2261223a22eda080227d', 'hex'), ':1: expected UTF-8'], // half of a surrogate pair
  ['a.jsonl', Buffer.from('\ufeff{"a":1}', 'utf16le'), ':1: expected UTF-8'],
  ['a.csv', 'a,b\n1,2\n\n3\n', ':4: expected 2 fields (a, b), found 1'],
  ['a.csv', 'a,b\n"x\ny",2\n1,2,3\n', ':4: expected 2 fields (a, b), found 3'],
  ['a.csv', 'a,b\n1,2\n"x,2\n3,4\n', ':3: expected a row, found a double quote that is never closed'],
  ['a.csv', 'a,b\nx "y",2\n', ':2: expected a row, found a double quote inside a field without quotes'],
  ['a.csv', 'a,b\n"x"y,2\n', ':2: expected a row, found text after the closing quote'],
  ['a.csv', 'a,b,a\n1,2,3\n', ':1: expected different column names, found "a" twice'],
  ['a.csv', 'a, \n1,2\n', ':1: expected a name for each column, found none for column 2'],
  ['a.csv', Buffer.from('a,b\n1,\xe9\n', 'latin1'), ':2: expected UTF-8'],
  ['a.jsonl.gz', '{"a":1}', ': cannot be decompressed'],
  ['a.jsonl.gz', gzipSync('{"a":1}').subarray(0, -6), ': cannot be decompressed'],
  ['a.parquet', '', '.jsonl, .csv or .tsv'],
  ['jsonl', '', '.jsonl, .csv or .tsv'],
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
  for (const path of [write('a.jsonl', '{"a":"1"}\nx\n3\n{"a":"4"}\n'), write('a.csv', 'a\n2,\n,3\n4\n')]) {
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

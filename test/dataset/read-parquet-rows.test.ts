import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { checkDataset } from '../../src/dataset/check.ts';
import type { ReadNote } from '../../src/dataset/findings.ts';
import { hashDataset } from '../../src/dataset/open-dataset.ts';
import { readRowBatches, readRows } from '../../src/dataset/read-rows.ts';
import { readTaskRows } from '../../src/dataset/task-rows.ts';
import { createDataFolder } from './data-folder.ts';

const folder = 'fixtures/parquet';

async function readExpected(name: string): Promise<unknown[]> {
  return (await Array.fromAsync(readRows(`${folder}/${name}.jsonl`))).map(({ row }) => row);
}

test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'pages-2'])('rows in several groups, packed by %s', async (codec) => {
  const rows = await Array.fromAsync(readRows(`${folder}/reviews-${codec}.parquet`));
  expect(rows.map(({ row }) => row)).toEqual(await readExpected('reviews'));
  expect(rows.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1));
});

test('conversations that datasets wrote have no fields that only other messages have', async () => {
  const path = `${folder}/chats.parquet`;
  const rows = await Array.fromAsync(readTaskRows([path], { task: 'chat', columns: {} }));
  const expected = (await readExpected('chats')) as object[];
  expect(rows).toEqual(expected.map((row, i) => ({ ...row, source: path, line: i + 1 })));
});

test('a ClassLabel has its names, with a note', async () => {
  const notes: ReadNote[] = [];
  const path = `${folder}/class-label.parquet`;
  const rows = await Array.fromAsync(readRows(path, { onNote: (note) => notes.push(note) }));
  expect(rows.map(({ row }) => row)).toEqual(await readExpected('reviews'));
  expect(notes).toEqual([
    expect.objectContaining({ code: 'label-names', message: expect.stringContaining('0 is "negative", 1 is "positive"') }),
  ]);
});

test('of a file of pandas the columns that nobody reads stop nothing', async () => {
  const notes: ReadNote[] = [];
  const options = { columns: ['text', 'label'], onNote: (note: ReadNote) => notes.push(note) };
  const rows = await Array.fromAsync(readRows(`${folder}/pandas.parquet`, options));
  expect(rows.map(({ row: { text, label } }) => ({ text, label }))).toEqual(await readExpected('reviews'));
  expect(rows[0]!.row).toMatchObject({ id: 2 ** 53 - 10, __index_level_0__: 'row 0' });
  expect(rows[20]!.row).not.toHaveProperty('id');
  expect(notes).toEqual([expect.objectContaining({ code: 'column-left', message: expect.stringContaining('"at" (dates or times)') })]);
});

test('values of all kinds', async () => {
  const rows = await Array.fromAsync(readRows(`${folder}/kinds.parquet`, { columns: [] }));
  expect(rows.map(({ row }) => row)).toEqual([
    { text: 'a', price: 12.5, big: 1, ratio: 0.5, flags: [true, false], by_name: { a: 1 }, half: 1 },
    { text: 'b', price: 12.5, ratio: null, flags: [], by_name: { b: 2 }, half: 2 },
  ]);
});

test.each([
  ['date', 'found dates or times'],
  ['time', 'found dates or times'],
  ['bytes', 'found bytes'],
  ['image', 'found bytes'],
])('a column that is needed and holds no text is refused: %s', async (column, message) => {
  const rows = Array.fromAsync(readRows(`${folder}/kinds.parquet`, { columns: [column] }));
  await expect(rows).rejects.toMatchObject({ code: 'data-invalid', finding: 'column-kind', message: expect.stringContaining(message) });
});

test('an integer that no double holds is refused with its row', async () => {
  const rows = Array.fromAsync(readRows(`${folder}/kinds.parquet`, { columns: ['big'] }));
  const message = `${folder}/kinds.parquet:2: column "big": expected an integer up to 2^53, found 1152921504606846976, which a double cannot hold`;
  await expect(rows).rejects.toMatchObject({ finding: 'value-number', message });
});

test('a missing column is one failure, and so is a file without rows', async () => {
  const check = async (name: string) =>
    await checkDataset({ train: [`${folder}/${name}`], validation: null, test: {}, columns: {}, services: [] });
  const missing = await check('kinds.parquet');
  expect(missing.findings.map(({ code }) => code)).toEqual(['column-missing']);
  expect((await check('empty.parquet')).findings.map(({ code }) => code)).toContain('rows-missing');
});

test('Parquet is told by its bytes, whatever its name is, and its hash is that of the file', async () => {
  const write = createDataFolder();
  const bytes = readFileSync(`${folder}/reviews-snappy.parquet`);
  const notes: string[] = [];
  const hashed: Buffer[] = [];
  const path = write('rows.jsonl', bytes);
  const options = { onNote: ({ code }: ReadNote) => notes.push(code), onBytes: (part: Buffer) => hashed.push(part) };
  expect((await Array.fromAsync(readRows(path, options))).length).toBe(25);
  expect(notes).toEqual(['format-other']);
  expect(Buffer.concat(hashed)).toEqual(bytes);
  expect(await hashDataset(path)).toBe(await hashDataset(`${folder}/reviews-snappy.parquet`));
});

test.each([
  ['cut short', (bytes: Buffer) => bytes.subarray(0, 900), 'parquet-invalid', 'found a file that was cut short'],
  ['the mark only', () => Buffer.from('PAR1'), 'parquet-invalid', 'found a file that was cut short'],
  [
    'a wrong description',
    (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -400), Buffer.alloc(392, 7), bytes.subarray(-8)]),
    'parquet-invalid',
    'damaged',
  ],
  [
    'wrong pages',
    (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(300, 0xff), bytes.subarray(304)]),
    'parquet-invalid',
    'damaged',
  ],
  ['gzip around it', (bytes: Buffer) => gzipSync(bytes), 'file-kind', 'found a Parquet file'],
  ['a pointer', () => Buffer.from('version https://git-lfs.github.com/spec/v1\nsize 5\n'), 'file-kind', 'Git LFS pointer'],
  ['JSON', () => Buffer.from('text,label\n'), 'file-kind', 'expected a Parquet file'],
])('a file that cannot be read is refused: %s', async (_, change, finding, message) => {
  const path = createDataFolder()('rows.parquet', change(readFileSync(`${folder}/reviews-snappy.parquet`)));
  await expect(Array.fromAsync(readRowBatches(path))).rejects.toMatchObject({
    code: 'data-invalid',
    finding,
    message: expect.stringContaining(message),
  });
});

test('a packing that is not read is named', async () => {
  const rows = Array.fromAsync(readRows(`${folder}/reviews-lz4.parquet`));
  await expect(rows).rejects.toMatchObject({ finding: 'parquet-invalid', message: expect.stringContaining('packed by LZ4_RAW') });
});

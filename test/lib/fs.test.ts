import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replaceFolder, writeAtomic, writeAtomicJson, writeAtomicText, writeParts } from '../../src/lib/fs.ts';
import { createScratchFolder } from '../scratch.ts';

test('a file is written whole, over what an interrupted write left', async () => {
  const folder = createScratchFolder();
  writeFileSync(join(folder, '.a.txt.part'), 'a much longer text than the new one');
  const written = await writeAtomic(join(folder, 'a.txt'), [Buffer.from('one '), Buffer.from('two')], 'file');
  expect(written).toEqual({ sha256: createHash('sha256').update('one two').digest('hex'), bytes: 7 });
  expect(readdirSync(folder)).toEqual(['a.txt']);
  expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('one two');
});

test('content that breaks off leaves the file as it was, and nothing beside it', async () => {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'a.txt'), 'before');
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from('half'));
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('before');
    throw new Error('broke off');
  };
  await expect(writeAtomic(join(folder, 'a.txt'), broken(), 'file')).rejects.toThrow('broke off');
  expect(readdirSync(folder)).toEqual(['a.txt']);
  expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('before');
});

test('a text that is there already is not written again', async () => {
  const path = join(createScratchFolder(), 'a.txt');
  const first = await writeAtomicText(path, 'text', 'file');
  utimesSync(path, 1, 1);
  expect(await writeAtomicText(path, 'text', 'file')).toEqual(first);
  expect(statSync(path).mtimeMs).toBe(1000);
  await writeAtomicText(path, 'other', 'file');
  expect(readFileSync(path, 'utf8')).toBe('other');
});

test('an error names the file', async () => {
  const folder = createScratchFolder();
  mkdirSync(join(folder, 'a.txt'));
  await expect(writeAtomic(join(folder, 'none', 'a.txt'), [], 'imported file')).rejects.toMatchObject({ code: 'file-missing' });
  await expect(writeAtomic(join(folder, 'a.txt'), [], 'imported file')).rejects.toMatchObject({
    message: `expected a imported file, found a folder: ${join(folder, 'a.txt')}`,
  });
});

test('two processes may write a JSON file at once: it is whole at any time, and nothing is left beside it', async () => {
  const folder = createScratchFolder();
  const path = join(folder, 'a.json');
  const values = Array.from({ length: 20 }, (_, i) => ({ i, text: 'x'.repeat(10_000) }));
  await Promise.all(values.map(async (value) => await writeAtomicJson(path, value, 'file')));
  expect(values).toContainEqual(JSON.parse(readFileSync(path, 'utf8')));
  expect(readdirSync(folder)).toEqual(['a.json']);
});

test('a folder is replaced whole, or stays as it was', () => {
  const folder = createScratchFolder();
  const path = join(folder, 'model');
  mkdirSync(join(folder, '.model.part'));
  writeFileSync(join(folder, '.model.part', 'old'), 'what an interrupted call left');
  const write = (text: string) => (unfinished: string) => {
    const written = writeParts(join(unfinished, 'a.txt'), [Buffer.from(text), Buffer.from('!')]);
    if (text === 'broken') throw new Error('broke off');
    return written;
  };
  expect(replaceFolder(path, write('one'))).toEqual({ bytes: 4, sha256: createHash('sha256').update('one!').digest('hex') });
  expect(() => replaceFolder(path, write('broken'))).toThrow('broke off');
  expect(readFileSync(join(path, 'a.txt'), 'utf8')).toBe('one!');
  replaceFolder(path, write('two'));
  expect(readFileSync(join(path, 'a.txt'), 'utf8')).toBe('two!');
  expect([readdirSync(folder), readdirSync(path)]).toEqual([['model'], ['a.txt']]);
});

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { getNetworkFileSystem, openStore } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';

function findFailure(folder: string): string {
  try {
    openStore(folder);
  } catch (error) {
    if (isFailure(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'opened';
}

test('a new store is created with its folder, and opened again', async () => {
  const folder = join(createScratchFolder(), 'a', 'b');
  for (let i = 0; i < 2; i++) {
    const store = openStore(folder);
    expect(await store.selectFrom('run').selectAll().execute()).toEqual([]);
    await store.destroy();
  }
  expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('*\n'); // copies of data are not committed by accident
});

test('a folder that was there before gets no file that hides it from git', async () => {
  const folder = createScratchFolder();
  await openStore(folder).destroy();
  expect(existsSync(join(folder, '.gitignore'))).toBe(false);
});

test('a commit has reached the disk when it returns', async () => {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const { rows } = await import('kysely').then(({ sql }) => sql<{ synchronous: number }>`pragma synchronous`.execute(store));
  expect(rows[0]?.synchronous).toBe(2);
});

test('a transaction takes the write lock when it begins', async () => {
  const folder = createScratchFolder();
  const store = openStore(folder);
  onTestFinished(async () => await store.destroy());
  const other = new DatabaseSync(join(folder, 'state.db'), { timeout: 0 });
  await store.transaction().execute(async (tx) => {
    await tx.selectFrom('run').selectAll().execute();
    expect(() => other.exec('begin immediate')).toThrow('locked');
  });
  other.exec('begin immediate; rollback');
  other.close();
});

test('a store of a newer program, and a file that is no store, are refused', () => {
  const folder = createScratchFolder();
  const database = new DatabaseSync(join(folder, 'state.db'));
  database.exec('pragma user_version=99');
  database.close();
  expect(findFailure(folder)).toMatch(/^store-newer: .*schema 99; this version knows schemas up to 2/);

  const other = createScratchFolder();
  writeFileSync(join(other, 'state.db'), 'this is a text file, and long enough to be read as a header of a database');
  expect(findFailure(other)).toMatch(/^configuration-invalid: .*state\.db is not a state database/);
});

test('a file in the place of the folder is refused', () => {
  const path = join(createScratchFolder(), 'file');
  writeFileSync(path, '');
  expect(findFailure(path)).toBe(`configuration-invalid: expected a folder for the state, found a file: ${path}`);
});

test.each([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x5346414f, 'AFS'],
  [0xfe534d42, 'SMB2'],
  [0xfe534d42 - 2 ** 32, 'SMB2'],
  [0xef53, null],
  [0x01021994, null],
])('file system %i is %s', (type, name) => {
  expect(getNetworkFileSystem(type)).toBe(name);
});

test('reading continues while another process writes', async () => {
  const folder = createScratchFolder();
  const store = openStore(folder);
  onTestFinished(async () => await store.destroy());
  const writer = new DatabaseSync(join(folder, 'state.db'), { timeout: 0 });
  writer.exec("begin immediate; insert into prediction (key, body) values ('k', 'v')");
  expect(await store.selectFrom('prediction').selectAll().execute()).toEqual([]);
  writer.exec('commit');
  writer.close();
  expect(await store.selectFrom('prediction').selectAll().execute()).toHaveLength(1);
});

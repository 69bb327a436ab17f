import { constants, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { DataFacts } from '../dataset/inspect.ts';
import { hashDataset } from '../dataset/open-dataset.ts';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';

/** Larger files are not copied: they are read where they lie, and checked. */
const copyBytes = 2 ** 30;

type Source = DataFacts['train']['sources'][number];

function toStoredPath(folder: string, { path, sha256 }: Source): string {
  const ending = /(\.[a-z]+)(\.gz)?$/i.exec(basename(path))?.[0] ?? '';
  return join(folder, 'data', `${sha256}${ending.toLowerCase()}`);
}

/**
 * Keeps the data files of a job as they are now under `data/<sha256>`, so that what was trained and scored can be read later even
 * if the user's files change. A clone where the file system can, else a copy.
 * @throws Failure `data-invalid` where a file is no longer the one that was inspected, `disk-full`; nothing of a file is left then
 */
export async function keepData(folder: string, facts: DataFacts): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the data', join(folder, 'data'));
  });
  for (const part of [facts.train, ...(facts.validation === null ? [] : [facts.validation]), ...Object.values(facts.test)]) {
    for (const source of part.sources) if (source.bytes <= copyBytes) await keepSource(folder, source);
  }
}

async function keepSource(folder: string, source: Source): Promise<void> {
  const path = toStoredPath(folder, source);
  if (await exists(path)) return;
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await copyFile(source.path, temporary, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw toCopyFailure(error, source.path, path);
    });
    await checkSource(temporary, source);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What is wrong with the file that is copied, or with the place of the copy. */
function toCopyFailure(error: unknown, from: string, to: string): unknown {
  const isOfSource = ['ENOENT', 'EACCES'].includes(toSystemCode(error) ?? '');
  return isOfSource ? toFileFailure(error, 'data file', from) : toFileFailure(error, 'copy of the data', to);
}

/** The path to read a source from: the kept file, or the user's own if it is still the same. */
export async function findSource(folder: string, source: Source): Promise<string> {
  const path = toStoredPath(folder, source);
  if (await exists(path)) return path;
  await checkSource(source.path, source);
  return source.path;
}

async function checkSource(path: string, source: Source): Promise<void> {
  if ((await hashDataset(path, source.path)) === source.sha256) return;
  throw new Failure('data-invalid', `${source.path} has changed since it was inspected`, { hint: 'run the command again' });
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: unknown) => {
      if (toSystemCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
}

import { existsSync } from 'node:fs';
import { constants, copyFile, mkdir, rename, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { DataFacts } from '../dataset/inspect.ts';
import { parseRowTask, type Row } from '../dataset/row.ts';
import { hashDataset } from '../dataset/open-dataset.ts';
import { readTaskRows } from '../dataset/task-rows.ts';
import { reportRows } from '../dataset/reading-progress.ts';
import { getPart } from '../dataset/split.ts';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { Context, QuoteContext } from '../provider/context.ts';

/** Larger files are not copied: they are read from their own path, and checked. */
const copyBytes = 2 ** 30;

type Source = DataFacts['train']['sources'][number];

function toStoredPath(folder: string, { path, sha256 }: Source): string {
  const ending = /(\.[a-z]+)(\.gz)?$/i.exec(basename(path))?.[0] ?? '';
  return join(folder, 'data', `${sha256}${ending.toLowerCase()}`);
}

/**
 * Copies the data files of a job to `data/<sha256>`, so that they can be read later even if the user's files change. The copy is a clone
 * where the file system supports it.
 * @throws Failure `data-invalid` where a file has changed since it was inspected, `disk-full`; then no part of that file is left
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
  if (existsSync(path)) return;
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await copyFile(source.path, temporary, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw toCopyFailure(error, source.path, path);
    });
    await checkSource(temporary, source);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {}); // it may not be there; what went wrong before is the error
    throw error;
  }
}

/** Names the file that is copied, or the copy, whichever fails. */
function toCopyFailure(error: unknown, from: string, to: string): unknown {
  const isOfSource = ['ENOENT', 'EACCES'].includes(toSystemCode(error) ?? '');
  return isOfSource ? toFileFailure(error, 'data file', from) : toFileFailure(error, 'copy of the data', to);
}

/** The path from which a source is read: the copy, or the user's file if it has not changed. */
export async function findSource(folder: string, source: Source): Promise<string> {
  const path = toStoredPath(folder, source);
  if (existsSync(path)) return path;
  await checkSource(source.path, source);
  return source.path;
}

async function checkSource(path: string, source: Source): Promise<void> {
  if ((await hashDataset(path)) === source.sha256) return;
  throw new Failure('data-invalid', `${source.path} has changed since it was inspected`, { hint: 'run the command again' });
}

/** The rows of one part of a run's data, mapped and split, from the files as they were at submission. */
export async function* readPart(
  dir: string,
  { facts, spec }: { readonly facts: DataFacts; readonly spec: RunSpec },
  part: 'train' | 'validation' | { readonly test: string },
): AsyncGenerator<Row> {
  const { columns, testColumns = {}, quote, validation } = spec.data;
  const { heldOut = {} } = facts;
  const fraction = validation !== null && 'fraction' in validation ? validation.fraction : 0;
  const isTest = typeof part === 'object';
  const isOwn = isTest ? facts.heldOut === undefined : part === 'validation' && fraction === 0;
  const source = !isOwn ? facts.train : isTest ? facts.test[part.test] : facts.validation;
  const paths = await Promise.all((source?.sources ?? []).map((file) => findSource(dir, file)));
  const own = isTest ? (testColumns[part.test] ?? columns) : columns;
  for await (const row of readTaskRows(paths, { task: parseRowTask(spec.task), columns: own, quote })) {
    if (isOwn || getPart(row, heldOut, fraction) === (isTest ? 'test' : part)) yield row;
  }
}

/** `readRows` of a context: the rows of a part, and how far that is where it takes long. */
export function createRowReader(
  dir: string,
  run: { readonly facts: DataFacts; readonly spec: RunSpec },
  { report }: Pick<Context, 'report'>,
): QuoteContext['readRows'] {
  return (part) => {
    const rows = readPart(dir, run, part);
    if (report === undefined) return rows;
    return reportRows(rows, { part: part === 'train' ? 'training' : part, of: run.facts[part]?.rows ?? 0, report });
  };
}

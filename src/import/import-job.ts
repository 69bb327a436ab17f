import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { FetchedJob } from '../provider/service.ts';
import { isTerminalPhase } from '../provider/status.ts';
import { Failure, toFileFailure } from '../errors.ts';
import { unfinishedEnding, writeAtomicText } from '../lib/fs.ts';
import { importFile, readImportRecord, toBegun, writeImportRecord, type ImportRecord } from './import-record.ts';
import { writeJobFiles } from './write-job-files.ts';

const recordFile = 'job-record.json';

/**
 * Brings a job of a service home into a folder: its data, results, events and checkpoints, the service's own record of it, a job file
 * that trains the same anew, and `IMPORT.json`, which says what is there. The service is only read. One that was interrupted is gone on
 * with, one that is complete asks nothing and changes nothing, and a job file that somebody has changed stays as it is.
 * @param folder absolute; new, empty, or of the same import
 * @throws Failure `usage` for a folder with something else in it, and where the service could not be asked
 */
export async function importJob(
  provider: Provider,
  { id, folder }: { readonly id: string; readonly folder: string },
  context: Context,
): Promise<ImportRecord> {
  if (provider.account?.fetchJob === undefined)
    throw new Failure('usage', `the provider "${provider.id}" keeps no jobs that could be imported`);
  const before = await openFolder(folder, toBegun(provider.id, id));
  if (before.complete && isWhole(folder, before)) return before;
  const fetched = await provider.account?.fetchJob(id, folder, context);
  checkPlace(folder, before, fetched);
  const told = await writeAtomicText(join(folder, recordFile), `${JSON.stringify(fetched.record, null, 2)}\n`, 'imported file');
  const written = await writeJobFiles(folder, { before, fetched });
  const kept = [fetched.train, fetched.validation, ...fetched.results.map(({ file }) => file)].filter((file) => file !== null);
  const files = await Promise.all(kept.map(async ({ path, sha256 }) => ({ name: basename(path), sha256, bytes: (await stat(path)).size })));
  const after: ImportRecord = {
    ...before,
    job: fetched.job.job,
    status: fetched.job.status.raw,
    base: fetched.job.base,
    model: fetched.job.model,
    complete: isTerminalPhase(fetched.job.status.phase) && fetched.missing.length === 0,
    files: [...files, { name: recordFile, ...told }, ...written.files],
    missing: [...fetched.missing],
    notes: [...written.notes],
  };
  if (isDeepStrictEqual(after, before)) return before;
  const record = { ...after, at: context.now().toISOString() };
  await writeImportRecord(folder, record);
  return record;
}

/** Says in the folder what is being imported before anything else is in it: what is found there later belongs to that. */
async function openFolder(folder: string, begun: ImportRecord): Promise<ImportRecord> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the import', folder);
  });
  const present = await readImportRecord(folder);
  if (present !== null && present.provider === begun.provider && present.id === begun.id) return present;
  if (present !== null) {
    throw toOther(folder, `the job ${begun.id} of ${begun.provider}`, `the job ${present.id} of ${present.provider}`);
  }
  const others = (await readdir(folder)).filter((name) => name !== `.${importFile}${unfinishedEnding}`);
  if (others.length > 0) throw toOther(folder, 'a new or an empty folder', `${others.length} files in it`);
  await writeImportRecord(folder, begun);
  return begun;
}

function toOther(folder: string, expected: string, found: string): Failure {
  return new Failure('usage', `${folder}: expected ${expected}, found ${found}`, { hint: 'name another folder with --out' });
}

/** The same id at another address is another job. */
function checkPlace(folder: string, { job }: ImportRecord, fetched: FetchedJob): void {
  const { location } = fetched.job.job;
  if (job !== null && job.location !== location) throw toOther(folder, `a job of ${location}`, `one of ${job.location}`);
}

/** Whether all files are there still; one that was changed since is not fetched again. */
function isWhole(folder: string, { files }: ImportRecord): boolean {
  return files.every(({ name }) => existsSync(join(folder, name)));
}

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Failure, toFileFailure } from '../errors.ts';
import { unfinishedEnding, writeAtomicText } from '../lib/fs.ts';
import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { isTerminalPhase } from '../provider/status.ts';
import { createImportRecord, importFile, readImportRecord, writeImportRecord, type ImportRecord } from './import-record.ts';
import { writeJobFiles } from './write-job-files.ts';

const recordFile = 'job-record.json';

/**
 * Imports a job of a service into a folder: its data, results, events and checkpoints, the service's own record of it, a job file that
 * trains the same again, and `IMPORT.json`, which lists the content. The service is only read. An interrupted import continues, a complete
 * one sends nothing and changes nothing, and a job file that a person has changed stays as it is.
 * @param folder absolute; new, empty, or of the same import
 * @throws Failure `usage` for a folder with other content, and as the service's requests
 */
export async function importJob(
  provider: Provider,
  { id, folder }: { readonly id: string; readonly folder: string },
  context: Context,
): Promise<ImportRecord> {
  if (provider.account?.fetchJob === undefined) {
    throw new Failure('usage', `the provider "${provider.id}" keeps no jobs that could be imported`);
  }
  const isNew = !existsSync(folder);
  const before = await openFolder(folder, createImportRecord(provider.id, id));
  if (before.complete && before.files.every(({ name }) => existsSync(join(folder, name)))) return before;
  const fetched = await provider.account.fetchJob(id, folder, context).catch(async (error: unknown) => {
    if (before.at === null) await removeEmptyImport(folder, isNew);
    throw error;
  });
  const { job, status, base, model } = fetched.job;
  if (before.job !== null && before.job.location !== job.location) {
    throw createFolderFailure(folder, `a job of ${job.location}`, `one of ${before.job.location}`); // the same id there is another job
  }
  const recordText = `${JSON.stringify(fetched.record, null, 2)}\n`;
  const record = { name: recordFile, ...(await writeAtomicText(join(folder, recordFile), recordText, 'imported file')) };
  const written = await writeJobFiles(folder, { before, fetched });
  const fetchedFiles = [fetched.train, fetched.validation, ...fetched.results.map(({ file }) => file)].filter((file) => file !== null);
  const files = await Promise.all(
    fetchedFiles.map(async ({ path, sha256 }) => ({ name: basename(path), sha256, bytes: (await stat(path)).size })),
  );
  const after: ImportRecord = {
    ...before,
    job,
    status: status.raw,
    base,
    model,
    complete: isTerminalPhase(status.phase) && fetched.missing.length === 0,
    files: [...files, record, ...written.files],
    missing: [...fetched.missing],
    notes: [...written.notes],
  };
  if (isDeepStrictEqual(after, before)) return before;
  const dated = { ...after, at: context.now().toISOString() };
  await writeImportRecord(folder, dated);
  return dated;
}

/** Writes the record before anything else is in the folder: later content belongs to this import. */
async function openFolder(folder: string, created: ImportRecord): Promise<ImportRecord> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the import', folder);
  });
  const present = await readImportRecord(folder);
  if (present !== null && present.provider === created.provider && present.id === created.id) return present;
  // An import that ended before it had anything, such as one of a wrong id, keeps no place.
  if (present !== null && !(present.at === null && (await isEmptyImport(folder)))) {
    throw createFolderFailure(folder, `the job ${created.id} of ${created.provider}`, `the job ${present.id} of ${present.provider}`);
  }
  const others = await listOthers(folder);
  if (others.length > 0) throw createFolderFailure(folder, 'a new or an empty folder', `${others.length} files in it`);
  await writeImportRecord(folder, created);
  return created;
}

/** What is in the folder beside the record. */
async function listOthers(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => ![importFile, `.${importFile}${unfinishedEnding}`].includes(name));
}

async function isEmptyImport(folder: string): Promise<boolean> {
  return (await listOthers(folder)).length === 0;
}

/** Takes the record of an import that has nothing away, and the folder if it was made for it. */
async function removeEmptyImport(folder: string, isNew: boolean): Promise<void> {
  if (!(await isEmptyImport(folder))) return; // what is here already is not downloaded again
  await rm(join(folder, importFile), { force: true });
  if (isNew) await rmdir(folder);
}

function createFolderFailure(folder: string, expected: string, found: string): Failure {
  return new Failure('usage', `${folder}: expected ${expected}, found ${found}`, { hint: 'name another folder with --out' });
}

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../contract/context.ts';
import type { Provider } from '../contract/provider.ts';
import type { FetchedJob, KeptFile } from '../contract/service.ts';
import { isTerminalPhase } from '../contract/status.ts';
import { Failure, isFailure, toFileFailure } from '../failure.ts';
import { unfinishedEnding, writeWholeText } from '../write-whole.ts';
import { importFile, readImportRecord, toBegun, writeImportRecord, type ImportedFile, type ImportRecord } from './import-record.ts';
import { lookAtRows } from './look-at-rows.ts';
import { parseRecord } from './record.ts';
import { toJobFileText } from './write-job-file.ts';

/** The job file of an imported job, in its folder. */
export const jobFile = 'job.jsonc';
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
  c: Context,
): Promise<ImportRecord> {
  if (provider.fetchJob === undefined) throw new Failure('usage', `the provider "${provider.id}" keeps no jobs that could be imported`);
  const before = await openFolder(folder, toBegun(provider.id, id));
  if (before.complete && isWhole(folder, before)) return before;
  const fetched = await provider.fetchJob(id, folder, c);
  checkPlace(folder, before, fetched);
  await writeWholeText(join(folder, recordFile), `${JSON.stringify(fetched.record, null, 2)}\n`, 'imported file');
  const job = await writeJobFile(folder, { before, fetched });
  const kept = [fetched.train, fetched.validation, ...fetched.results.map(({ file }) => file)].filter((file) => file !== null);
  const files = await Promise.all([...kept.map(describeKept), describe(join(folder, recordFile))]);
  const after: ImportRecord = {
    ...before,
    job: fetched.job.job,
    status: fetched.job.status.raw,
    base: fetched.job.base,
    model: fetched.job.model,
    complete: isTerminalPhase(fetched.job.status.phase) && fetched.missing.length === 0,
    files: [...files, ...(job.file === null ? [] : [job.file])],
    missing: [...fetched.missing],
    notes: job.notes,
  };
  if (isDeepStrictEqual(after, before)) return before;
  const record = { ...after, at: c.now().toISOString() };
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
  const { place } = fetched.job.job;
  if (job !== null && job.place !== place) throw toOther(folder, `a job of ${place}`, `one of ${job.place}`);
}

/** Whether all files are there still; one that was changed since is not fetched again. */
function isWhole(folder: string, { files }: ImportRecord): boolean {
  return files.every(({ name }) => existsSync(join(folder, name)));
}

interface JobFileWritten {
  readonly file: ImportedFile | null;
  readonly notes: string[];
}

/** The job file, unless somebody has changed the one that is there. */
async function writeJobFile(
  folder: string,
  { before, fetched }: { readonly before: ImportRecord; readonly fetched: FetchedJob },
): Promise<JobFileWritten> {
  const path = join(folder, jobFile);
  const known = before.files.find(({ name }) => name === jobFile);
  const { text, notes } = await toText(fetched, before);
  if (text === null) return { file: null, notes };
  const present = await readFile(path, 'utf8').catch(() => null);
  const isOurs = present === null || known === undefined || known.sha256 === hash(present);
  if (!isOurs) return { file: known, notes };
  return { file: { name: jobFile, ...(await writeWholeText(path, text, 'job file')) }, notes };
}

async function toText(fetched: FetchedJob, { provider, id }: ImportRecord): Promise<{ text: string | null; notes: string[] }> {
  const { train, validation, record } = fetched;
  const rows = train === null ? null : await lookAtRows(train.path);
  const gone = train === null ? ['the training data is not to be had at the service: the job cannot become a run'] : [];
  try {
    const job = parseRecord(record, { provider, id, rows, hasTrain: train !== null, hasValidation: validation !== null });
    if (job === null) return { text: null, notes: [...gone, 'no job file: nothing is known of how this provider writes its jobs'] };
    const answers =
      rows?.answers == null ? [] : [`each answer is one of ${rows.answers.length} short texts: this could be a classification`];
    return { text: toJobFileText(job), notes: [...gone, ...answers] };
  } catch (error) {
    if (!isFailure(error, 'data-invalid')) throw error;
    return { text: null, notes: [...gone, `no job file can be made of it: ${error.message}`] };
  }
}

async function describeKept(file: NonNullable<KeptFile>): Promise<ImportedFile> {
  return { name: basename(file.path), sha256: file.sha256, bytes: (await stat(file.path)).size };
}

async function describe(path: string): Promise<ImportedFile> {
  const sum = createHash('sha256');
  for await (const chunk of createReadStream(path)) sum.update(chunk as Buffer);
  return await describeKept({ path, sha256: sum.digest('hex') });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

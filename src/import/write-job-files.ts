import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FetchedJob } from '../provider/service.ts';
import { isFailure } from '../errors.ts';
import { writeAtomic, writeAtomicText, hashFile } from '../lib/fs.ts';
import type { ImportedFile, ImportRecord } from './import-record.ts';
import type { ImportedJob } from './imported-job.ts';
import { lookAtRows, type Classes } from './look-at-rows.ts';
import { parseRecord } from './record.ts';
import { classificationJob, classificationRows, readClassificationRows, toClassification } from './to-classification.ts';
import { toJobFileText } from './write-job-file.ts';

/** The job file of an imported job, in its folder. */
export const jobFile = 'job.jsonc';

export interface WrittenJobs {
  readonly files: readonly ImportedFile[];
  readonly notes: readonly string[];
}

type Write = (name: string, content: string | AsyncIterable<Uint8Array>) => Promise<ImportedFile>;

/**
 * Writes the job file of a job that was brought home, and, where its chats ask for labels, a second one with its rows that trains them as
 * a classification. What somebody has changed since stays.
 */
export async function writeJobFiles(
  folder: string,
  { before, fetched }: { readonly before: ImportRecord; readonly fetched: FetchedJob },
): Promise<WrittenJobs> {
  const { train, validation, record } = fetched;
  const { provider, id } = before;
  const rows = train === null ? null : await lookAtRows(train.path);
  const gone = train === null ? ['the training data is not to be had at the service: the job cannot become a run'] : [];
  const job = readJob(() => parseRecord(record, { provider, id, rows, hasTrain: train !== null, hasValidation: validation !== null }));
  if (typeof job === 'string') return { files: [], notes: [...gone, job] };
  const write: Write = async (name, content) =>
    await writeUnlessChanged(folder, { name, content, known: before.files.find((file) => file.name === name) });
  const file = await write(jobFile, toJobFileText(job));
  if (train === null || rows?.classes == null) return { files: [file], notes: gone };
  const classification = await writeClassification(write, { job, classes: rows.classes, paths: [train.path, validation?.path] });
  return { files: [file, ...classification.files], notes: classification.notes };
}

/** Or why there is none, in words. */
function readJob(parse: () => ImportedJob | null): ImportedJob | string {
  try {
    return parse() ?? 'no job file: nothing is known of how this provider writes its jobs';
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return `no job file can be made of it: ${error.message}`;
    throw error;
  }
}

async function writeClassification(
  write: Write,
  { job, classes, paths: [train, validation] }: { job: ImportedJob; classes: Classes; paths: readonly [string, string | undefined] },
): Promise<WrittenJobs> {
  const count = classes.labels.length;
  const notes = [`each answer is one of ${count} short texts: ${classificationJob} has them as a classification, for a model of your own`];
  const isAlike = validation !== undefined && (await hasClassificationRows(validation, classes));
  if (validation !== undefined && !isAlike) notes.push(`${classificationJob} has no validation: not all of its rows are such questions`);
  const files = [
    await write(classificationRows.train, readClassificationRows(train, classes)),
    ...(isAlike ? [await write(classificationRows.validation, readClassificationRows(validation, classes))] : []),
    await write(classificationJob, toJobFileText(toClassification(job, classes, isAlike))),
  ];
  return { files, notes };
}

async function hasClassificationRows(path: string, classes: Classes): Promise<boolean> {
  try {
    let bytes = 0;
    for await (const row of readClassificationRows(path, classes)) bytes += row.length;
    return bytes > 0;
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return false;
    throw error;
  }
}

async function writeUnlessChanged(
  folder: string,
  { name, content, known }: { name: string; content: string | AsyncIterable<Uint8Array>; known: ImportedFile | undefined },
): Promise<ImportedFile> {
  const path = join(folder, name);
  const isThere = known !== undefined && existsSync(path);
  if (typeof content !== 'string') return isThere ? known : { name, ...(await writeAtomic(path, content, 'imported rows')) };
  return isThere && (await hashFile(path)) !== known.sha256 ? known : { name, ...(await writeAtomicText(path, content, 'job file')) };
}

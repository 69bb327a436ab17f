import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isFailure } from '../errors.ts';
import { hashFile, writeAtomic, writeAtomicText } from '../lib/fs.ts';
import type { FetchedJob } from '../provider/service.ts';
import {
  buildClassification,
  classificationJob,
  classificationRows,
  readClassificationRows,
  summarizeRows,
  type Classes,
} from './classification.ts';
import type { ImportedFile, ImportRecord } from './import-record.ts';
import type { ImportedJob } from './imported-job.ts';
import { formatJobFile } from './job-file-text.ts';
import { parseRecord } from './service-record.ts';

/** The job file of an imported job, in its folder. */
export const jobFile = 'job.jsonc';

interface WrittenJobs {
  readonly files: readonly ImportedFile[];
  readonly notes: readonly string[];
}

type Content = string | AsyncIterable<Uint8Array>;

/**
 * Writes the job file of an imported job, and, where its chats ask for labels, a second one with its rows that trains them as a
 * classification. Files that a person has changed since stay as they are.
 */
export async function writeJobFiles(
  folder: string,
  { before, fetched }: { readonly before: ImportRecord; readonly fetched: FetchedJob },
): Promise<WrittenJobs> {
  const { train, validation, record } = fetched;
  const { provider, id } = before;
  const rows = train === null ? null : await summarizeRows(train.path);
  const notes = train === null ? ['the training data is no longer at the service: the job cannot become a run'] : [];
  const job = tryParse(() => parseRecord(record, { provider, id, rows, hasTrain: train !== null, hasValidation: validation !== null }));
  if (typeof job === 'string') return { files: [], notes: [...notes, job] };
  const files: ImportedFile[] = [];
  const write = async (name: string, content: Content): Promise<void> => {
    const known = before.files.find((file) => file.name === name);
    files.push(await writeUnlessChanged(folder, { name, content, known }));
  };
  await write(jobFile, formatJobFile(job));
  const classes = rows?.classes ?? null;
  if (train === null || classes === null) return { files, notes };

  const hasValidation = validation !== null && (await hasClassificationRows(validation.path, classes));
  await write(classificationRows.train, readClassificationRows(train.path, classes));
  if (hasValidation) await write(classificationRows.validation, readClassificationRows(validation.path, classes));
  await write(classificationJob, formatJobFile(buildClassification(job, classes, hasValidation)));
  const answers = `each answer is one of ${classes.labels.length} short texts`;
  notes.push(`${answers}: ${classificationJob} has them as a classification, for a model of your own`);
  const isWithout = validation !== null && !hasValidation;
  if (isWithout) notes.push(`${classificationJob} has no validation: some of its rows are not such questions`);
  return { files, notes };
}

/** The job, or why there is none. */
function tryParse(parse: () => ImportedJob | null): ImportedJob | string {
  try {
    return parse() ?? 'no job file: this version does not know the job records of this provider';
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return `no job file: ${error.message}`;
    throw error;
  }
}

async function hasClassificationRows(path: string, classes: Classes): Promise<boolean> {
  try {
    return (await Array.fromAsync(readClassificationRows(path, classes), () => 1)).length > 0;
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return false;
    throw error;
  }
}

async function writeUnlessChanged(
  folder: string,
  { name, content, known }: { readonly name: string; readonly content: Content; readonly known: ImportedFile | undefined },
): Promise<ImportedFile> {
  const path = join(folder, name);
  const isThere = known !== undefined && existsSync(path);
  if (typeof content !== 'string') return isThere ? known : { name, ...(await writeAtomic(path, content, 'file of imported rows')) };
  return isThere && (await hashFile(path)) !== known.sha256 ? known : { name, ...(await writeAtomicText(path, content, 'job file')) };
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';
import { writeAtomicText } from '../lib/fs.ts';
import { isObject } from '../lib/json.ts';

/** The file of an import that lists its content. */
export const importFile = 'IMPORT.json';

const ImportedFile = z.strictObject({ name: z.string(), sha256: z.string(), bytes: z.number() });
export type ImportedFile = z.infer<typeof ImportedFile>;

/** Records of earlier versions called the location of a job "place". */
function renamePlace(job: unknown): unknown {
  if (!isObject(job) || !('place' in job)) return job;
  const { place, ...rest } = job;
  return { location: place, ...rest };
}

const ImportedRef = z.strictObject({
  provider: z.string(),
  id: z.string(),
  location: z.string(),
  attempt: z.number(),
  createdAt: z.string(),
  url: z.string().nullable(),
});

/** The content of `IMPORT.json`: what was imported, when and from where. */
export const ImportRecord = z.strictObject({
  schema: z.literal('orchestrate.import/1'),
  /** When the folder last changed, ISO 8601, UTC; null: the import has begun and not ended. */
  at: z.string().nullable(),
  provider: z.string(),
  id: z.string(),
  /** The job as the service last showed it; null until then. */
  job: z.preprocess(renamePlace, ImportedRef).nullable(),
  /** The service's own word. */
  status: z.string().nullable(),
  base: z.string().nullable(),
  model: z.string().nullable(),
  /** The job has ended, and all of it is here. */
  complete: z.boolean(),
  files: z.array(ImportedFile),
  /** Files that the service no longer has, in words. */
  missing: z.array(z.string()),
  notes: z.array(z.string()),
});
export type ImportRecord = z.infer<typeof ImportRecord>;

/** The record of an import that has nothing yet. */
export function createImportRecord(provider: string, id: string): ImportRecord {
  const nothing = { at: null, job: null, status: null, base: null, model: null, complete: false, files: [], missing: [], notes: [] };
  return { schema: 'orchestrate.import/1', provider, id, ...nothing };
}

/** Null where the folder has none. @throws Failure `data-invalid` for a file that is not such a record */
export async function readImportRecord(folder: string): Promise<ImportRecord | null> {
  const path = join(folder, importFile);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(toSystemCode(error) ?? '')) return null;
    throw toFileFailure(error, 'record of an import', path);
  });
  try {
    return text === null ? null : ImportRecord.parse(JSON.parse(text));
  } catch (error) {
    const hint = 'name another folder with --out';
    throw new Failure('data-invalid', `${path}: expected the record of an import, found something else`, { hint, error });
  }
}

/** The same record gives the same bytes: its fields have the order of the schema. */
export async function writeImportRecord(folder: string, record: ImportRecord): Promise<void> {
  await writeAtomicText(join(folder, importFile), `${JSON.stringify(ImportRecord.parse(record), null, 2)}\n`, 'record of an import');
}

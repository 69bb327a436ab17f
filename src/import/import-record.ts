import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';
import { writeAtomicText } from '../lib/fs.ts';

/** Where an import says what it brought home. */
export const importFile = 'IMPORT.json';

const ImportedFile = z.strictObject({ name: z.string(), sha256: z.string(), bytes: z.number() });
export type ImportedFile = z.infer<typeof ImportedFile>;

/** Records of earlier versions called the location of a job "place". */
function withLocation(job: unknown): unknown {
  if (typeof job !== 'object' || job === null || !('place' in job)) return job;
  const { place, ...rest } = job;
  return { location: place, ...rest };
}

const ImportJobRef = z.preprocess(
  withLocation,
  z.strictObject({
    provider: z.string(),
    id: z.string(),
    location: z.string(),
    attempt: z.number(),
    createdAt: z.string(),
    url: z.string().nullable(),
  }),
);

/** The content of `IMPORT.json`: what was brought home, when and from where. */
export const ImportRecord = z.strictObject({
  schema: z.literal('orchestrate.import/1'),
  /** When the folder last changed, ISO 8601, UTC; null: the import was begun and has not ended. */
  at: z.string().nullable(),
  provider: z.string(),
  id: z.string(),
  /** The job as it was seen; null until then. */
  job: ImportJobRef.nullable(),
  /** The service's own word. */
  status: z.string().nullable(),
  base: z.string().nullable(),
  model: z.string().nullable(),
  /** The job has ended, and nothing of it is missing: there is nothing more to bring home. */
  complete: z.boolean(),
  files: z.array(ImportedFile),
  /** What could not be had, in words. */
  missing: z.array(z.string()),
  notes: z.array(z.string()),
});
export type ImportRecord = z.infer<typeof ImportRecord>;

/** The record of an import that has brought nothing home yet. */
export function toBegun(provider: string, id: string): ImportRecord {
  const nothing = { at: null, job: null, status: null, base: null, model: null, complete: false, files: [], missing: [], notes: [] };
  return { schema: 'orchestrate.import/1', provider, id, ...nothing };
}

/** Null where the folder has none. @throws Failure `data-invalid` for one that is none of ours */
export async function readImportRecord(folder: string): Promise<ImportRecord | null> {
  const path = join(folder, importFile);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(toSystemCode(error) ?? '')) return null;
    throw toFileFailure(error, 'record of an import', path);
  });
  if (text === null) return null;
  try {
    return ImportRecord.parse(JSON.parse(text));
  } catch (error) {
    throw new Failure('data-invalid', `${path}: expected the record of an import, found something else`, {
      hint: 'name another folder with --out',
      error,
    });
  }
}

/** The same record gives the same bytes: its fields stand in the order of the schema. */
export async function writeImportRecord(folder: string, record: ImportRecord): Promise<void> {
  await writeAtomicText(join(folder, importFile), `${JSON.stringify(ImportRecord.parse(record), null, 2)}\n`, 'record of an import');
}

import { writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';
import type { ImportedJob, ImportNote } from './imported-job.ts';
import { readConfig } from './read-config.ts';
import { toJobFileText } from './write-job-file.ts';

/**
 * Writes the configuration of another program as a job file, `job.jsonc` beside it where no other path is given. Files that the job names
 * are named from the new place.
 * @param out the path of the job file, or of the folder for it
 * @param method what a TRL file is for, where its flags do not tell
 * @throws Failure `usage` where there is a file already, and as `readConfig`
 */
export async function importConfig(
  path: string,
  { out, method }: { readonly out: string | null; readonly method?: 'sft' | 'dpo' | undefined },
): Promise<{ path: string; notes: readonly ImportNote[] }> {
  const to = out === null ? join(dirname(path), 'job.jsonc') : /\.jsonc?$/i.test(out) ? out : join(out, 'job.jsonc');
  const job = moveJob(await readConfig(path, { method }), { from: resolve(dirname(path)), to: resolve(dirname(to)) });
  await writeFile(to, toJobFileText(job), { flag: 'wx' }).catch((error: unknown) => {
    if (toSystemCode(error) !== 'EEXIST') throw toFileFailure(error, 'job file', to);
    throw new Failure('usage', `${to}: expected no such file yet, found one`, { hint: 'name another with --out' });
  });
  return { path: to, notes: job.notes };
}

/** The same job for another folder: relative paths begin there. */
function moveJob(job: ImportedJob, { from, to }: { from: string; to: string }): ImportedJob {
  if (from === to) return job;
  const move = (text: string): string => {
    if (!/^\.\.?\//.test(text)) return text;
    const path = relative(to, resolve(from, text));
    return path.startsWith('..') ? path : `./${path}`;
  };
  return { ...job, data: moveTexts(job.data, move), target: { ...job.target, model: move(job.target.model) } };
}

/** Every source in a job's data, wherever it stands; columns are no paths. */
function moveTexts<T>(value: T, move: (text: string) => string): T {
  if (typeof value === 'string') return move(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => moveTexts(item, move)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === 'columns' ? (item as unknown) : moveTexts(item, move)]),
  ) as T;
}

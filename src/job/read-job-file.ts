import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';
import { checkJob } from './job-problems.ts';
import type { JobSpec } from './job-spec.ts';
import { parseJobText } from './job-text.ts';

export interface JobFile {
  /** As it was given, for messages. */
  readonly path: string;
  /** Absolute; relative paths in the file start here. */
  readonly folder: string;
  readonly spec: JobSpec;
}

/** A job file larger than this is a mistake. */
const mostBytes = 2 ** 20;

/**
 * Reads a job file (JSON with comments, or YAML) and checks it. All errors are told at once, each with line, column and path.
 * @param overrides `training.epochs=1`: set after reading; the value is JSON where it parses as JSON, else text.
 * @throws Failure `file-missing`, `permission-denied`, `job-file-invalid`, `usage` (a bad override)
 */
export async function readJobFile(path: string, overrides: readonly string[] = []): Promise<JobFile> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw toFileFailure(error, 'job file', path);
  });
  if (bytes.length > mostBytes)
    throw new Failure('job-file-invalid', `${path}: expected a job file of at most 1 MiB, found ${bytes.length} bytes`);
  const text = await parseJobText(decode(bytes, path), path);
  for (const override of overrides) applyOverride(text.value, override);
  const { spec, problems } = checkJob(text.value);
  const all = [...text.duplicates.map((at) => ({ path: at, message: 'the field stands twice' })), ...problems];
  if (spec !== null && all.length === 0) return { path, folder: dirname(resolve(path)), spec };
  const lines = all.map(({ path: at, message }) => {
    const { line, column } = text.locate(at);
    return `${path}:${line}:${column} ${at.length === 0 ? '(the whole file)' : at.map(String).join('.')}: ${message}`;
  });
  throw new Failure('job-file-invalid', lines.join('\n'), {
    hint: lines.length === 1 ? 'mend the line and run the command again' : `mend the ${lines.length} places and run the command again`,
  });
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Failure('job-file-invalid', `${path}: expected text in UTF-8, found bytes that are none`, { error });
  }
}

function applyOverride(root: unknown, override: string): void {
  const equals = override.indexOf('=');
  if (equals <= 0) throw new Failure('usage', `--set expects path=value, for example --set training.epochs=1, found "${override}"`);
  const path = override.slice(0, equals).split('.');
  const text = override.slice(equals + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // plain text
  }
  let parent = root as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null || key === '__proto__') break;
    parent = (parent[key] ??= {}) as Record<string, unknown>;
  }
  if (typeof parent !== 'object' || parent === null || path.includes('__proto__')) {
    throw new Failure('usage', `--set ${override}: there is no field "${path.slice(0, -1).join('.')}" to set something in`);
  }
  parent[path.at(-1)!] = value;
}

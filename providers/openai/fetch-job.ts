import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import type { Context } from '../../src/provider/context.ts';
import type { FetchedJob, KeptFile } from '../../src/provider/service.ts';
import { Failure } from '../../src/errors.ts';
import { createRedactor } from '../../src/provider-kit/http.ts';
import { writeAtomicText, hashFile } from '../../src/lib/fs.ts';
import { toSecrets, type Dialect } from './dialect.ts';
import { getDeprecation } from './deprecations.ts';
import { fetchFile } from './fetch-file.ts';
import { readHistory } from './read-history.ts';
import { readJob, toJobPath } from './read-job.ts';
import { toResultFiles } from './result-file.ts';
import { toServiceJob } from './to-service-job.ts';

/** Where something of a job goes, and what is told of it. */
interface Wanted {
  /** The service's id of it; null: the job has none. */
  readonly id: string | null;
  /** The file's name in the folder. */
  readonly name: string;
  readonly check: (head: string) => boolean;
}

/**
 * Brings home what belongs to a job: `train.jsonl`, `validation.jsonl`, `results-<id>.csv` as plain text, and as results too
 * `events.jsonl` (ids `events`, oldest first) and `checkpoints.json` (`checkpoints`). Data that is in the folder is not asked for again;
 * what may have grown since is. Credentials are masked in what the service says.
 */
export async function fetchJob(
  dialect: Dialect,
  { id, folder }: { readonly id: string; readonly folder: string },
  context: Context,
): Promise<FetchedJob> {
  const redact = createRedactor(toSecrets(dialect, context));
  const record = await readJob(dialect, id, context);
  const missing: string[] = [];
  const keep = async (wanted: Wanted): Promise<KeptFile> => {
    const found = await fetchOnce(dialect, { ...wanted, folder }, context);
    if (found !== null && 'refused' in found) missing.push(redact(`${wanted.name} (${wanted.id}): ${found.refused}`));
    return found === null || 'refused' in found ? null : found;
  };
  const train = await keep({ id: toFileId(record['training_file']), name: 'train.jsonl', check: isRows });
  const validation = await keep({ id: toFileId(record['validation_file']), name: 'validation.jsonl', check: isRows });
  const results: { id: string; file: KeptFile }[] = [];
  for (const file of toResultFiles(record)) {
    const kept = await keep({ id: file, name: `results-${toFileName(file)}.csv`, check: (head) => !head.startsWith('<') });
    results.push({ id: file, file: kept === null ? null : await decode(kept.path) });
  }
  for (const list of ['events', 'checkpoints'] as const) {
    const name = list === 'events' ? 'events.jsonl' : 'checkpoints.json';
    const items = await readHistory(dialect, `${toJobPath(id)}/${list}`, context);
    if (items === null) missing.push(`${name}: the service keeps no ${list}`);
    const path = join(folder, name);
    const text =
      list === 'events' ? (items ?? []).map((item) => `${JSON.stringify(item)}\n`).join('') : `${JSON.stringify(items, null, 2)}\n`;
    results.push({
      id: list,
      file: items === null ? null : { path, sha256: (await writeAtomicText(path, redact(text), 'imported file')).sha256 },
    });
  }
  return {
    job: toServiceJob(dialect, record, { context, getDeprecation: (model) => getDeprecation(dialect, model) }),
    record: JSON.parse(redact(JSON.stringify(record))) as unknown,
    train,
    validation,
    results,
    missing,
  };
}

async function fetchOnce(
  dialect: Dialect,
  { id, name, folder, check }: Wanted & { readonly folder: string },
  context: Context,
): Promise<KeptFile | { refused: string }> {
  if (id === null) return null;
  const path = join(folder, name);
  if (existsSync(path)) return { path, sha256: await hashFile(path) };
  const fetched = await fetchFile(dialect, { id, path, check }, context);
  return 'refused' in fetched ? fetched : { path, sha256: fetched.sha256 };
}

/** A result file as the table that it is: OpenAI encodes it in base64, which has no comma, and every table has. */
async function decode(path: string): Promise<{ path: string; sha256: string }> {
  const text = await readFile(path, 'utf8');
  const table = text.includes(',') ? text : Buffer.from(text, 'base64').toString();
  return { path, sha256: (await writeAtomicText(path, table, 'imported file')).sha256 };
}

/** Every line of such a file is an object. */
function isRows(head: string): boolean {
  return head.startsWith('{');
}

function toFileId(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The id names a file here: it must not lead out of the folder. @throws Failure `response-invalid` */
function toFileName(id: string): string {
  if (/^[\w-][\w.-]{0,120}$/.test(id)) return id;
  throw new Failure('response-invalid', `expected the id of a result file, found ${JSON.stringify(id.slice(0, 40))}`);
}

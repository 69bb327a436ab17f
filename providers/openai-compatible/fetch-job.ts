import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure, isFailure } from '../../src/errors.ts';
import { hashFile, writeAtomicText } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import type { FetchedJob, KeptFile } from '../../src/provider/service.ts';
import { download } from '../../src/provider-kit/download.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import type { Api } from './client.ts';
import { getDeprecation } from './deprecations.ts';
import { getResultFiles, readHistory } from './history.ts';
import { readJob, toServiceJob } from './jobs.ts';
import { decodeTable } from './metrics.ts';

const what = 'imported file';

/** A file of a job at the service. */
interface JobFile {
  /** The service's id of it; null: the job has none. */
  readonly id: unknown;
  /** Its path here. */
  readonly path: string;
  /** Whether such a file may begin so. */
  isContent(head: string): boolean;
}

/**
 * Downloads what belongs to a job: `train.jsonl`, `validation.jsonl`, `results-<id>.csv` as plain text, and as results too
 * `events.jsonl` (with the id `events`, oldest first) and `checkpoints.json` (`checkpoints`). Data that is in the folder is not asked for
 * again; lists that may have grown are. Credentials are masked in what the service says.
 */
export async function fetchJob(
  api: Api,
  { id, folder }: { readonly id: string; readonly folder: string },
  context: Context,
): Promise<FetchedJob> {
  const record = await readJob(api, id, context);
  const missing: string[] = [];
  const keep = async (name: string, file: Omit<JobFile, 'path'>): Promise<KeptFile> => {
    const kept = await fetchOnce(api, { ...file, path: join(folder, name) }, context);
    if (kept !== null && 'refused' in kept) missing.push(api.redact(`${name} (${String(file.id)}): ${kept.refused}`, context));
    return kept === null || 'refused' in kept ? null : kept;
  };
  // Every line of such a file is an object.
  const isRows = (head: string): boolean => head.startsWith('{');
  const train = await keep('train.jsonl', { id: record['training_file'], isContent: isRows });
  const validation = await keep('validation.jsonl', { id: record['validation_file'], isContent: isRows });
  const results: { id: string; file: KeptFile }[] = [];
  for (const file of getResultFiles(record)) {
    const kept = await keep(`results-${checkFileName(file)}.csv`, { id: file, isContent: (head) => !head.startsWith('<') });
    results.push({ id: file, file: kept === null ? null : await decode(kept.path) });
  }
  for (const list of ['events', 'checkpoints'] as const) {
    const name = list === 'events' ? 'events.jsonl' : 'checkpoints.json';
    const items = await readHistory(api, id, list, context);
    if (items === null) missing.push(`${name}: the service keeps no ${list}`);
    const text =
      list === 'events' ? (items ?? []).map((item) => `${JSON.stringify(item)}\n`).join('') : `${JSON.stringify(items, null, 2)}\n`;
    results.push({ id: list, file: items === null ? null : await write(join(folder, name), api.redact(text, context)) });
  }
  return {
    job: toServiceJob(api, record, { context, getDeprecation: (model) => getDeprecation(api, model) }),
    record: JSON.parse(api.redact(JSON.stringify(record), context)) as unknown,
    train,
    validation,
    results,
    missing,
  };
}

async function write(path: string, text: string): Promise<{ path: string; sha256: string }> {
  return { path, sha256: (await writeAtomicText(path, text, what)).sha256 };
}

/** A result file as the table that it is. */
async function decode(path: string): Promise<{ path: string; sha256: string }> {
  return await write(path, decodeTable(await readFile(path, 'utf8')));
}

/** The id names a file here: it must not lead out of the folder. @throws Failure `response-invalid` */
function checkFileName(id: string): string {
  if (/^[\w-][\w.-]{0,120}$/.test(id)) return id;
  throw new Failure('response-invalid', `expected the id of a result file, found ${JSON.stringify(id.slice(0, 40))}`);
}

const WireFile = z.looseObject({ id: z.string(), bytes: z.unknown().optional() });

/** The slowest line that is waited for. */
const bytesPerSecond = 64 * 1024;
const longestMs = 2 ** 31 - 1;

/** The file; null where the job has none; in words why the service does not give it. @throws Failure where it could not be asked */
async function fetchOnce(api: Api, { id, path, isContent }: JobFile, context: Context): Promise<KeptFile | { readonly refused: string }> {
  if (typeof id !== 'string' || id === '') return null;
  if (existsSync(path)) return { path, sha256: await hashFile(path) };
  const call = `GET /files/${encodeURIComponent(id)}`;
  try {
    const answer = await api.call({ call }, context, async (client) => await client.files.retrieve(id));
    const { bytes: announced } = parseAnswer(WireFile, answer, call);
    const { downloadMs = 60_000 } = api.config.deadlines ?? {};
    const bytes = typeof announced === 'number' && announced > 0 ? announced : 0;
    const deadlineMs = Math.min(longestMs, downloadMs + (bytes / bytesPerSecond) * 1000);
    const options = { call: `${call}/content`, body: 'stream', deadlineMs, maxBodyBytes: Infinity } as const;
    const open = async (): Promise<Response> => await api.call(options, context, async (client) => await client.files.content(id));
    const { sha256 } = await download(
      { open, info: api.describeRequest(options.call, context) },
      { path, what, bytes, isContent },
      context,
    );
    return { path, sha256 };
  } catch (error) {
    // Gone, or not given to this account: nothing that another try would change.
    if (!isFailure(error) || ![400, 403, 404, 405, 410].includes(error.status ?? 0)) throw error;
    const isGone = error.status === 404 || error.status === 410;
    return { refused: isGone ? 'it is gone at the service' : `the service does not give it: ${error.message}` };
  }
}

/** Rows from standard input: they are read more than once, which a pipe does not allow, so that they are put into a file first. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { toFileFailure } from '../errors.ts';
import { openDataset } from '../dataset/open-dataset.ts';

/**
 * Calls `use` with the paths, a file of its own in the place of `-`, which is gone afterwards. Whether it holds JSON or a table, its first
 * character says.
 * @throws Failure `disk-full`, and what `use` throws
 */
export async function withStandardInput<T>(
  paths: readonly string[],
  { input, signal }: { readonly input: NodeJS.ReadableStream; readonly signal: AbortSignal },
  use: (paths: readonly string[]) => Promise<T>,
): Promise<T> {
  if (!paths.includes('-')) return await use(paths);
  const folder = await mkdtemp(join(tmpdir(), 'orchestrate-'));
  try {
    const whole = join(folder, 'rows');
    await pipeline(input, createWriteStream(whole), { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw toFileFailure(error, 'standard input', whole);
    });
    const path = join(folder, `standard-input.${(await beginsAsJson(whole)) ? 'jsonl' : 'csv'}`);
    await rename(whole, path);
    return await use(paths.map((one) => (one === '-' ? path : one)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function beginsAsJson(path: string): Promise<boolean> {
  for await (const chunk of openDataset(path)) return /^[\s\ufeff\0]*[[{]/.test(chunk.toString('utf8').replace(/^\ufffd+/, ''));
  return true; // empty: there are no rows in either
}

import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure, failureKinds, isFailure } from '../../src/errors.ts';
import { writeAtomic, type WrittenFile } from '../../src/lib/fs.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { parseAnswer } from './upload.ts';

/** A file as it was brought home, or why the service does not give it, in words. */
export type FetchedFile = WrittenFile | { readonly refused: string };

const WireFile = z.looseObject({ id: z.string(), bytes: z.unknown().optional() });

/** The slowest line that is waited for. */
const bytesPerSecond = 64 * 1024;
const longestMs = 2 ** 31 - 1;
const mostTries = 3;

/**
 * Brings the content of a file home, as it comes: only the disk limits its size.
 * @param check throws for a beginning that is none of such a file
 * @throws Failure where the service could not be asked, `disk-full`, `response-invalid`
 */
export async function fetchFile(
  dialect: Dialect,
  { id, path, check }: { readonly id: string; readonly path: string; readonly check: (head: string) => boolean },
  context: Context,
): Promise<FetchedFile> {
  const about = await readWireFile(dialect, id, context);
  if ('refused' in about) return about;
  for (let tries = 1; ; tries++) {
    try {
      return await download(dialect, { id, path, check, bytes: about.bytes }, context);
    } catch (error) {
      context.signal.throwIfAborted();
      // A body that broke off is the reader's: the whole call is made again.
      if (!isFailure(error) || !failureKinds[error.code].retryable || tries === mostTries) throw error;
      await context.wait(tries * 1000);
    }
  }
}

async function readWireFile(dialect: Dialect, id: string, context: Context): Promise<{ bytes: number } | { refused: string }> {
  const path = `/files/${encodeURIComponent(id)}`;
  const answer = await askForFile(dialect, { call: `GET ${path}` }, context, async (client) => await client.get<unknown>(path));
  if ('refused' in answer) return answer;
  const { bytes } = parseAnswer(WireFile, answer.given, `GET ${path}`);
  return { bytes: typeof bytes === 'number' && bytes > 0 ? bytes : 0 };
}

async function download(
  dialect: Dialect,
  { id, path, check, bytes }: { id: string; path: string; check: (head: string) => boolean; bytes: number },
  context: Context,
): Promise<FetchedFile> {
  const call = `GET /files/${encodeURIComponent(id)}/content`;
  const deadlineMs = Math.min(longestMs, 60_000 + (bytes / bytesPerSecond) * 1000);
  const options = { call, body: 'stream', deadlineMs, maxBodyBytes: Infinity } as const;
  const answer = await askForFile(dialect, options, context, async (client) => await client.files.content(id));
  if ('refused' in answer) return answer;
  const { headers, body } = answer.given;
  const isPage = /^text\/html\b/i.test(headers.get('content-type') ?? '');
  if (isPage) await body?.cancel();
  if (isPage || body === null)
    throw new Failure('response-invalid', `${call}: expected the content of a file, found ${isPage ? 'a page of HTML' : 'nothing'}`);
  return await writeAtomic(path, checked(body, { check, call, bytes }), 'imported file');
}

interface Expected {
  readonly check: (head: string) => boolean;
  readonly call: string;
  /** What the service says of its size; 0 where it does not say. */
  readonly bytes: number;
}

/** The same bytes. @throws Failure `response-invalid` where their beginning is none of such a file, or nothing comes of a file with content */
async function* checked(body: AsyncIterable<Uint8Array>, { check, call, bytes }: Expected): AsyncGenerator<Uint8Array> {
  let isBegun = false;
  for await (const chunk of body) {
    const head = isBegun
      ? ''
      : Buffer.from(chunk.subarray(0, 1000))
          .toString()
          .replace(/^\uFEFF/, '')
          .trimStart();
    if (head !== '') {
      isBegun = true;
      if (!check(head)) throw new Failure('response-invalid', `${call}: expected the content of the file, found something else`);
    }
    yield chunk;
  }
  if (!isBegun && bytes > 0) throw new Failure('response-invalid', `${call}: expected a file of ${bytes} bytes, found nothing`);
}

/** Gone, or not given to this account: nothing that another try would change. */
const refusals = [400, 403, 404, 405, 410];

async function askForFile<T>(
  dialect: Dialect,
  options: Omit<Parameters<typeof callService>[0], 'dialect'>,
  context: Context,
  ask: Parameters<typeof callService<T>>[2],
): Promise<{ given: T } | { refused: string }> {
  return await callService({ ...options, dialect }, context, async (client) => {
    try {
      return { given: await ask(client) };
    } catch (error) {
      if (!(error instanceof Error) || !('status' in error) || !refusals.includes(Number(error.status))) throw error;
      return {
        refused:
          error.status === 404 || error.status === 410 ? 'it is gone at the service' : `the service does not give it: ${error.message}`,
      };
    }
  });
}

import { createHash, type Hash } from 'node:crypto';
import { Failure } from '../errors.ts';
import { writeAtomic, type WrittenFile } from '../lib/fs.ts';
import type { RequestInfo } from './http/failure.ts';
import { expectSuccess } from './json.ts';
import { retry, type Patience } from './retry.ts';

/** The name that a service gives to a content: its SHA-256, or git's name of it. */
export interface ContentHash {
  readonly algorithm: 'sha256' | 'git';
  readonly hex: string;
}

export interface Download {
  /** Where the file goes. It is there whole or not at all; one that was there is replaced. */
  readonly path: string;
  /** Names the file in messages, such as `imported file`. */
  readonly what: string;
  /** The size that the service gives; 0 where it gives none. */
  readonly bytes: number;
  /** What the bytes must be, where the service says it. */
  readonly hash?: ContentHash;
  /** Is told how many bytes have come; again from 0 where a try breaks off. */
  onBytes?(bytes: number): void;
  /** Whether such a file may begin so; the head comes without a byte order mark and leading white space. */
  isContent?(head: string): boolean;
}

const mostTries = 3;

/**
 * Writes the body of an answer to a file as it comes. A body that breaks off is asked for again.
 * @param open sends the request, with a fetch whose option `body` is `stream`
 * @throws Failure `response-invalid` for other content, `disk-full`, `permission-denied`, and what the request throws
 */
export async function download(
  { open, info }: { readonly open: () => Promise<Response>; readonly info: RequestInfo },
  file: Download,
  patience: Patience,
): Promise<WrittenFile> {
  const { path, what } = file;
  const downloadOnce = async (): Promise<WrittenFile> => {
    const response = await open();
    await expectSuccess(response, info);
    const isPage = file.isContent !== undefined && /^text\/html\b/i.test(response.headers.get('content-type') ?? '');
    if (!isPage) return await writeAtomic(path, checkContent(response.body, file, info.what), what);
    await response.body?.cancel();
    throw new Failure('response-invalid', `${info.what}: expected the content of a file, found a page of HTML`);
  };
  return await retry(downloadOnce, patience, { tries: mostTries });
}

/** The same bytes; throws before their end where they are not those of the file. */
async function* checkContent(body: ReadableStream<Uint8Array> | null, file: Download, call: string): AsyncGenerator<Uint8Array> {
  const { bytes, hash: expected, isContent, onBytes } = file;
  const hash = expected === undefined ? null : startHash(expected, bytes);
  let isBegun = false;
  let received = 0;
  for await (const chunk of body ?? []) {
    const head: string = isBegun || isContent === undefined ? '' : getHead(chunk);
    isBegun ||= isContent === undefined || head !== '';
    if (head !== '' && isContent?.(head) === false) {
      throw new Failure('response-invalid', `${call}: expected the content of the file, found something else`);
    }
    hash?.update(chunk);
    onBytes?.((received += chunk.length));
    yield chunk;
  }
  if (!isBegun && bytes > 0) throw new Failure('response-invalid', `${call}: expected a file of ${bytes} bytes, found nothing`);
  const found = hash?.digest('hex');
  if (expected !== undefined && found !== expected.hex) {
    throw new Failure('response-invalid', `${call}: expected the bytes of ${expected.hex}, found those of ${found}`, {
      hint: 'download it again; the received bytes were deleted',
    });
  }
}

function startHash({ algorithm }: ContentHash, bytes: number): Hash {
  return algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

function getHead(chunk: Uint8Array): string {
  const text = Buffer.from(chunk.subarray(0, 1000)).toString();
  return text.replace(/^\uFEFF/, '').trimStart();
}

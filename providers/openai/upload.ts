import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { toMultipart } from './to-multipart.ts';

export interface UploadLimits {
  /** Larger files go in parts. */
  readonly wholeBytes: number;
  readonly partBytes: number;
}

/** Of the service: 512 MB in one request, 64 MB a part. */
export const uploadLimits: UploadLimits = { wholeBytes: 512_000_000, partBytes: 64_000_000 };

const WithId = z.looseObject({ id: z.string().min(1) });
const CompletedUpload = z.looseObject({ file: WithId });

/**
 * Uploads a file for fine-tuning, without holding it in memory, and returns its id. Repeating it makes another file, at no cost.
 * @throws Failure
 */
export async function uploadFile(
  dialect: Dialect,
  { path, name, limits }: { path: string; name: string; limits: UploadLimits },
  context: Context,
): Promise<string> {
  const blob = await openAsBlob(path, { type: 'application/jsonl' });
  if (blob.size > limits.wholeBytes) return await uploadParts(dialect, { blob, name, partBytes: limits.partBytes }, context);
  const call = 'POST /files';
  return await callService({ dialect, call }, context, async (client) => {
    const form = toMultipart({ purpose: 'fine-tune' }, { field: 'file', name, blob });
    return parseAnswer(WithId, await client.post<unknown>('/files', form), call).id;
  });
}

interface PartsUpload {
  readonly blob: Blob;
  readonly name: string;
  readonly partBytes: number;
}

async function uploadParts(dialect: Dialect, { blob, name, partBytes }: PartsUpload, context: Context): Promise<string> {
  const upload = await callService({ dialect, call: 'POST /uploads' }, context, async (client) => {
    const about = { bytes: blob.size, filename: name, mime_type: 'text/jsonl', purpose: 'fine-tune' } as const;
    return parseAnswer(WithId, await client.uploads.create(about), 'POST /uploads').id;
  });
  // One after the other: parts in parallel would share the same line. An upload that is left behind ends by itself after an hour.
  const parts: string[] = [];
  for (let from = 0; from < blob.size; from += partBytes) {
    const call = `POST /uploads/${encodeURIComponent(upload)}/parts`;
    const form = toMultipart({}, { field: 'data', name, blob: blob.slice(from, from + partBytes) });
    parts.push(
      await callService(
        { dialect, call },
        context,
        async (client) => parseAnswer(WithId, await client.post<unknown>(call.slice(5), form), call).id,
      ),
    );
  }
  const call = `POST /uploads/${upload}/complete`;
  const completed = await callService({ dialect, call, deadlineMs: completeMs }, context, async (client) =>
    parseAnswer(CompletedUpload, await client.uploads.complete(upload, { part_ids: parts }), call),
  );
  return completed.file.id;
}

const completeMs = 300_000;

/** An answer of another shape, such as a page of a proxy, is none of the service. */
export function parseAnswer<T>(schema: z.ZodType<T>, answer: unknown, call: string): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Failure(
    'response-invalid',
    `${call}: expected an answer of the service, found another: ${issue!.path.join('.')}: ${issue!.message}`,
  );
}

const FileState = z.looseObject({ status: z.string().nullish(), status_details: z.string().nullish() });

/** First and longest pause between looks, and how long is waited in all. */
const looks = { firstMs: 500, longestMs: 5000, allMs: 600_000 };

/**
 * Waits until the service has read the file: a job that comes earlier may be refused.
 * @throws Failure `data-invalid` with the service's words where it cannot read the file, `timeout`
 */
export async function waitUntilProcessed(dialect: Dialect, file: string, context: Context): Promise<void> {
  const call = `GET /files/${file}`;
  let pauseMs = looks.firstMs;
  for (let waitedMs = 0; waitedMs < looks.allMs; waitedMs += pauseMs) {
    const { status, status_details: details } = await callService({ dialect, call }, context, async (client) =>
      parseAnswer(FileState, await client.get<unknown>(`/files/${encodeURIComponent(file)}`), call),
    );
    // The service says that it will give the status up one day.
    if (status == null || status === 'processed') return;
    if (status === 'error') {
      throw new Failure('data-invalid', `${dialect.name} cannot read the uploaded rows: ${details ?? 'it does not say why'}`);
    }
    if (status === 'deleted' || status === 'deleting') throw new Failure('data-invalid', `${call}: the uploaded file was deleted`);
    await context.wait(pauseMs);
    pauseMs = Math.min(pauseMs * 2, looks.longestMs);
  }
  throw new Failure('timeout', `${call}: expected the file to be read within ${looks.allMs / 60_000} minutes`);
}

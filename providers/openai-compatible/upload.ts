import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Row } from '../../src/dataset/row.ts';
import { Failure } from '../../src/errors.ts';
import type { Attempt, Context } from '../../src/provider/context.ts';
import type { Training } from '../../src/provider/provider.ts';
import { isRefusedWith, toHttpFailure } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { poll } from '../../src/provider-kit/retry.ts';
import { markFirst, writeTrainingFile, type TrainingFile } from '../../src/provider-kit/training-file.ts';
import type { Api } from './client.ts';
import type { UploadLimits } from './config.ts';
import { getAnswer } from './failures.ts';
import { toLine } from './lines.ts';
import type { CreateRequest, Prepared } from './request.ts';

/** Of OpenAI: 512 MB in one request, 64 MB a part. */
export const uploadLimits: UploadLimits = { wholeBytes: 512_000_000, partBytes: 64_000_000 };

/** How a service takes a file. */
export interface UploadSteps {
  /** Uploads a file without holding it in memory, and returns its id. Repeatable, at no cost. */
  upload(file: TrainingFile, name: string, context: Context): Promise<string>;
  /**
   * Waits until the service has read the file: a job that comes earlier may be refused.
   * @returns when the service got it, ISO 8601, where that is needed
   * @throws Failure `data-invalid` with the service's words where it cannot read the file, `timeout`
   */
  wait(file: string, context: Context): Promise<string | null>;
  /** Whether the service answers equal bytes with the file that it has: each attempt's then have to differ. */
  readonly isMarked: boolean;
}

/** The part of a provider that brings the rows of an attempt to the service, and deletes them there. */
export function createUploads(
  api: Api,
  { upload, wait, isMarked }: UploadSteps = createSteps(api),
): Pick<Training<Pick<CreateRequest, 'rows'>, Prepared>, 'prepare' | 'fence' | 'discard'> {
  /** Deletes the attempt's training file, without which no job of it can be created. */
  const fence = async ({ trainingFile }: Prepared, context: Context): Promise<void> => await deleteFile(api, trainingFile, context);
  return {
    /**
     * Writes the rows into the run's folder and uploads them: each attempt has files of its own, so that a file belongs to one
     * submission, by which its job can be found and without which it cannot begin.
     */
    async prepare({ rows }, context) {
      const uploadPart = async (part: 'train' | 'validation'): Promise<string> => {
        context.signal.throwIfAborted();
        const write = (row: Row): string => JSON.stringify(toLine(row, rows));
        const writeLine = isMarked ? markFirst(write, [context.key, context.attempt, part]) : write;
        const file = await writeTrainingFile(join(context.workDir, `${part}.jsonl`), context.readRows(part), writeLine);
        return await upload(file, formatName(context, part), context);
      };
      const trainingFile = await uploadPart('train');
      const validationFile = context.facts.validation === null ? null : await uploadPart('validation');
      const uploadedAt = await wait(trainingFile, context);
      if (validationFile !== null) await wait(validationFile, context);
      return { trainingFile, validationFile, ...(uploadedAt === null ? {} : { uploadedAt }) };
    },
    ...(api.config.fence === null ? {} : { fence }),
    async discard({ trainingFile, validationFile }, context) {
      for (const file of [trainingFile, validationFile]) if (file !== null) await deleteFile(api, file, context);
    },
  };
}

function createSteps(api: Api): UploadSteps {
  return {
    upload: async ({ path }, name, context) => await uploadFile(api, { path, name }, context),
    wait: async (file, context) => await waitUntilProcessed(api, file, context),
    isMarked: false,
  };
}

function formatName({ key, attempt }: Attempt, part: string): string {
  return `orchestrate-${key}-${attempt}-${part}.jsonl`;
}

const WithId = z.looseObject({ id: z.string().min(1) });
const CompletedUpload = z.looseObject({ file: WithId });

interface LocalFile {
  readonly path: string;
  /** Its name at the service. */
  readonly name: string;
}

/** Uploads a file without holding it in memory, and returns its id. Repeating it makes another file, at no cost. @throws Failure */
async function uploadFile(api: Api, { path, name }: LocalFile, context: Context): Promise<string> {
  const { wholeBytes, partBytes } = api.config.uploads ?? uploadLimits;
  const blob = await openAsBlob(path);
  const toFile = (content: Blob): File => new File([content], name, { type: 'application/jsonl' });
  if (blob.size > wholeBytes) {
    const parts = Array.from({ length: Math.ceil(blob.size / partBytes) }, (_, i) => blob.slice(i * partBytes, (i + 1) * partBytes));
    return await uploadParts(api, { name, bytes: blob.size, parts: parts.map(toFile) }, context);
  }
  const call = 'POST /files';
  return await api.call({ call }, context, async (client) => {
    return parseAnswer(WithId, await client.files.create({ purpose: 'fine-tune', file: toFile(blob) }), call).id;
  });
}

/** How long the service may take to put the parts together. */
const completeMs = 300_000;

async function uploadParts(
  api: Api,
  { name, bytes, parts }: { readonly name: string; readonly bytes: number; readonly parts: readonly File[] },
  context: Context,
): Promise<string> {
  const { id } = await api.call({ call: 'POST /uploads' }, context, async (client) => {
    const upload = { bytes, filename: name, mime_type: 'text/jsonl', purpose: 'fine-tune' } as const;
    return parseAnswer(WithId, await client.uploads.create(upload), 'POST /uploads');
  });
  // One after the other: parts in parallel would share the same line. An upload that is not completed expires after an hour.
  const ids: string[] = [];
  for (const data of parts) {
    const call = `POST /uploads/${encodeURIComponent(id)}/parts`;
    ids.push(
      await api.call({ call }, context, async (client) => parseAnswer(WithId, await client.uploads.parts.create(id, { data }), call).id),
    );
  }
  const call = `POST /uploads/${id}/complete`;
  return await api.call({ call, deadlineMs: completeMs }, context, async (client) => {
    return parseAnswer(CompletedUpload, await client.uploads.complete(id, { part_ids: ids }), call).file.id;
  });
}

const FileState = z.looseObject({ status: z.string().nullish(), status_details: z.string().nullish() });

const processing = { firstMs: 500, longestMs: 5000, withinMs: 600_000 };

async function waitUntilProcessed(api: Api, file: string, context: Context): Promise<null> {
  const call = `GET /files/${encodeURIComponent(file)}`;
  const isProcessed = async (): Promise<true | null> => {
    const answer = await api.call({ call }, context, async (client) => await client.files.retrieve(file));
    const { status, status_details: details } = parseAnswer(FileState, answer, call);
    if (status === 'error') {
      throw new Failure('data-invalid', `${api.config.name} cannot read the uploaded rows: ${details ?? 'it does not say why'}`);
    }
    if (status === 'deleted' || status === 'deleting') throw new Failure('data-invalid', `${call}: the uploaded file was deleted`);
    // The service has announced that files will have no status one day.
    return status == null || status === 'processed' ? true : null;
  };
  const onTimeout = (): Failure =>
    new Failure('timeout', `${call}: expected the file to be read within ${processing.withinMs / 60_000} minutes`);
  await poll(isProcessed, context, { ...processing, onTimeout });
  return null;
}

const Deleted = z.looseObject({ deleted: z.literal(true) });

/** Deletes a file; one that is gone already is no error. @throws Failure where the file may still be there */
async function deleteFile(api: Api, file: string, context: Context): Promise<void> {
  const call = `DELETE /files/${encodeURIComponent(file)}`;
  await api.call({ call }, context, async (client) => {
    const answer = (await client.files.delete(file).catch((error: unknown) => {
      if (!isGone(error)) throw error;
      return { deleted: true };
    })) as unknown;
    // Null is a 204, Azure's answer; any other one without content may be a proxy's.
    if (answer !== null) parseAnswer(Deleted, answer, call);
  });
}

/** A 404 for this file in the service's own words, not for an address that the service does not know. */
function isGone(error: unknown): boolean {
  return isRefusedWith(toHttpFailure(error), 404) && getAnswer(error).code !== 'unknown_url';
}

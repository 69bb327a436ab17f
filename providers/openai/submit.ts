import { z } from 'zod';
import type { Attempt, Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { toServiceFailure, toSubmitFailure, toRequestInfo } from './failures.ts';
import type { OpenAIRequest, Prepared, Wire } from './request.ts';
import { attemptName, keyName } from './take-native.ts';
import { toIsoTime } from './to-iso-time.ts';
import { parseAnswer } from './upload.ts';

const path = '/fine_tuning/jobs';

/** What is read of a job. Everything but its id may be missing at gateways: a job that was made and paid for is one all the same. */
const Job = z.looseObject({
  id: z.string().min(1),
  object: z.literal('fine_tuning.job').nullish(),
  created_at: z.unknown().optional(),
  training_file: z.unknown().optional(),
  metadata: z.unknown().optional(),
});
type Job = z.infer<typeof Job>;

const JobPage = z.looseObject({ data: z.array(Job), has_more: z.boolean().nullish() });

export function bind(request: OpenAIRequest, prepared: Prepared, key: RunKey, attempt: number): Wire {
  const { rows: _rows, metadata, ...body } = request;
  return {
    ...body,
    training_file: prepared.trainingFile,
    ...(prepared.validationFile === null ? {} : { validation_file: prepared.validationFile }),
    metadata: { ...metadata, [keyName]: key, [attemptName]: String(attempt) },
  };
}

/** The one call that may cost, sent once. */
export async function create(dialect: Dialect, wire: Wire, context: Attempt): Promise<JobRef> {
  if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before the job was sent'));
  const client = await dialect.openClient(context).catch((error: unknown) => {
    throw isFailure(error) ? new SubmitFailure('no', error) : error;
  });
  const info = toRequestInfo(dialect, context, `POST ${path}`);
  try {
    const job = parseAnswer(Job, await client.post<unknown>(path, { body: wire }), info.what);
    return toJobRef(dialect, job, context);
  } catch (error) {
    throw toSubmitFailure(error, info);
  }
}

/** The run's jobs: those with its key in their metadata, and those that train on a file of its attempts. */
export async function find(dialect: Dialect, prepared: readonly Prepared[], context: Attempt): Promise<JobRef[]> {
  const files = new Set<unknown>(prepared.map(({ trainingFile }) => trainingFile));
  const jobs = await listJobs(dialect, context);
  // Gateways ignore the filter, or lose the metadata.
  return jobs
    .filter((job) => toMetadata(job)[keyName] === context.key || files.has(job.training_file))
    .map((job) => toJobRef(dialect, job, context));
}

const pageSize = 100;

/** @throws Failure where the service does not list them to the end: a list that may lack a job proves nothing */
async function listJobs(dialect: Dialect, context: Attempt): Promise<Job[]> {
  const call = `GET ${path}`;
  const jobs = new Map<string, Job>();
  for (let after: string | null = null; ;) {
    const query: Record<string, unknown> = { limit: pageSize, metadata: { [keyName]: context.key }, ...(after === null ? {} : { after }) };
    const page: z.infer<typeof JobPage> = await callService({ dialect, call }, context, async (client) =>
      // Not `jobs.list`: it takes any answer without "data", such as a page of a proxy, for an empty list.
      parseAnswer(JobPage, await client.get<unknown>(path, { query }), call),
    );
    const known = jobs.size;
    for (const job of page.data) jobs.set(job.id, job);
    if (page.has_more !== true) return [...jobs.values()];
    if (jobs.size === known) {
      throw new Failure('response-invalid', `${call}: expected another page of jobs after ${after ?? 'the first'}, found nothing new`, {
        hint: 'the address may be a gateway that does not list jobs page by page',
      });
    }
    after = page.data.at(-1)!.id;
  }
}

function toMetadata({ metadata }: Job): Record<string, unknown> {
  return typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>) : {};
}

function toJobRef(dialect: Dialect, job: Job, context: Attempt): JobRef {
  const attempt = Number(toMetadata(job)[attemptName]);
  const baseUrl = dialect.getBaseUrl(context);
  return {
    provider: dialect.id,
    id: job.id,
    location: baseUrl,
    attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : context.attempt,
    createdAt: toIsoTime(job.created_at) ?? context.now().toISOString(),
    url: dialect.toJobUrl(baseUrl, job.id),
  };
}

/** Deletes the attempt's training file, without which no job of it can be created. */
export async function fence(dialect: Dialect, { trainingFile }: Prepared, context: Context): Promise<void> {
  await deleteFile(dialect, trainingFile, context);
}

/** Deletes what `prepare` uploaded. */
export async function discard(dialect: Dialect, { trainingFile, validationFile }: Prepared, context: Context): Promise<void> {
  for (const file of [trainingFile, validationFile]) if (file !== null) await deleteFile(dialect, file, context);
}

/** What is gone already is no error. @throws Failure where the file may still be there */
async function deleteFile(dialect: Dialect, file: string, context: Context): Promise<void> {
  const call = `DELETE /files/${encodeURIComponent(file)}`;
  const client = await dialect.openClient(context);
  const info = toRequestInfo(dialect, context, call);
  const answer = await client.delete<unknown>(`/files/${encodeURIComponent(file)}`).catch((error: unknown) => {
    const failure = toServiceFailure(error, info);
    if (failure.code === 'request-refused' && isNotFound(error)) return { deleted: true };
    throw failure;
  });
  // Null is a 204, Azure's answer; any other one without content may be a proxy's.
  if (answer !== null) parseAnswer(z.looseObject({ deleted: z.literal(true) }), answer, info.what);
}

/** A 404 for this file, not for an address that the service does not know. */
function isNotFound(error: unknown): boolean {
  const { status, code } = error as { status?: unknown; code?: unknown };
  return status === 404 && code !== 'unknown_url';
}

import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { Account, Training } from '../../src/provider/provider.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { api, call, submit, toPhase } from './client.ts';
import { toPriced, type CreateBody, type CreateRequest, type Prepared } from './request.ts';

/** What is read of a job; everything but its identifier may be missing. */
const Job = z.looseObject({
  id: z.string().min(1),
  status: z.string().catch(''),
  created_at: z.unknown().optional(),
  model: z.string().nullish().catch(null),
  suffix: z.string().nullish().catch(null),
  training_file: z.string().nullish().catch(null),
  model_output_name: z.string().nullish().catch(null),
});
export type Job = z.infer<typeof Job>;
const Jobs = z.strictObject({ data: z.array(Job) }); // a field beside the jobs might say that there are more of them

const listRoute = 'GET /fine-tunes';

async function readJobs(context: Context): Promise<readonly Job[]> {
  return await call({ call: listRoute, maxBodyBytes: 64 * 2 ** 20 }, context, async (client) => {
    return parseAnswer<{ data: Job[] }>(Jobs, await client.fineTuning.list(), listRoute).data;
  });
}

export async function readJob(id: string, context: Context): Promise<Job> {
  const route = `GET /fine-tunes/${encodeURIComponent(id)}`;
  return await call({ call: route }, context, async (client) => parseAnswer<Job>(Job, await client.fineTuning.retrieve(id), route));
}

function toJobRef({ id, created_at }: Job, attempt: number, context: Context): JobRef {
  const location = api.readBaseUrl(context);
  return { provider: 'together', id, location, attempt, createdAt: toIsoTime(created_at) ?? context.now().toISOString(), url: null };
}

function getTime({ created_at }: Job): string {
  return toIsoTime(created_at) ?? '';
}

/** Sizes at which a service cuts a list that has no pages. */
function isUsualCap(length: number): boolean {
  return [10, 20, 25, 30, 40].includes(length) || (length >= 16 && (length % 50 === 0 || Number.isInteger(Math.log2(length))));
}

/**
 * The list has no pages, and nobody says whether it ends somewhere: that a job is not in it proves nothing if it may have been cut. It is
 * surely whole where it has a length at which nobody cuts. Otherwise it must begin with the newest job and reach back behind the time at
 * which the oldest training file of the run came to the service: a job on that file can only be younger.
 * @throws Failure `response-invalid` where an absent job may exist all the same
 */
export function checkWhole(jobs: readonly Job[], uploadedAt: string | null): void {
  const times = jobs.map(getTime);
  const isNewestFirst = times.every((time, i) => time !== '' && (i === 0 || time <= times[i - 1]!));
  if (!isUsualCap(jobs.length) || (isNewestFirst && uploadedAt !== null && times.at(-1)! < uploadedAt)) return;
  throw new Failure(
    'response-invalid',
    `${listRoute}: expected a list that is surely whole, found ${jobs.length} jobs, where it may be cut`,
    {
      hint: 'delete an old job at Together (or start another one), so that the list has another length; nothing was started',
    },
  );
}

const Estimate = z.looseObject({ estimated_total_price: z.number().nullish(), allowed_to_proceed: z.boolean().nullish() });

/** Makes jobs, finds them again, and stops them. */
export const jobs: Pick<Training<CreateRequest, Prepared, CreateBody>, 'create' | 'find' | 'cancel' | 'quotePrepared'> = {
  /** What the service asks for exactly this body, now that it has the rows. @throws Failure `quota-exhausted` where the account lacks it */
  async quotePrepared(body, context) {
    const route = 'POST /fine-tunes/estimate-price';
    const { estimated_total_price: usd, allowed_to_proceed: isAllowed } = await call({ call: route }, context, async (client) => {
      return parseAnswer<z.infer<typeof Estimate>>(Estimate, await client.fineTuning.estimatePrice(toPriced(body)), route);
    });
    if (isAllowed === false) {
      throw new Failure('quota-exhausted', `Together does not let the account start a job of $${usd ?? '?'}`, {
        hint: 'add credit at Together',
      });
    }
    return usd == null ? null : { currency: 'USD', low: usd, high: usd, source: route, asOf: context.now().toISOString().slice(0, 10) };
  },
  /** The one call that may cost, sent once. */
  async create(body, context) {
    const route = 'POST /fine-tunes';
    return await submit(route, context, async (client) => {
      return toJobRef(parseAnswer<Job>(Job, await client.fineTuning.create(body), route), context.attempt, context);
    });
  },
  /**
   * The run's jobs: those with its key as their suffix, and those that train on a file of its attempts. A job that the service itself has
   * started in the place of another is no job beside it, and must not be cancelled as one.
   */
  async find(_request, prepared, context) {
    const listed = await readJobs(context);
    const attempts = new Map(prepared.map(({ trainingFile }, i) => [trainingFile, i + 1]));
    const own = listed.filter(({ suffix, training_file: file }) => suffix === context.key || attempts.has(file ?? ''));
    const uploads = prepared.map(({ uploadedAt }) => uploadedAt);
    if (own.length === 0)
      checkWhole(listed, uploads.every((time) => time !== null) ? (uploads.toSorted((a, b) => a.localeCompare(b))[0] ?? null) : null);
    const first = own.filter((job) => !own.some((other) => isRestartOf(job, other)));
    return first.map((job) => toJobRef(job, attempts.get(job.training_file ?? '') ?? context.attempt, context));
  },
  /** Stops a job for good, or the one that goes on in its place. A job that has ended is left alone. */
  async cancel(ref, context) {
    api.checkLocation(`the job ${ref.id}`, ref.location, context);
    const { id } = (await findRestart(await readJob(ref.id, context), context)) ?? ref;
    try {
      await call(
        { call: `POST /fine-tunes/${encodeURIComponent(id)}/cancel` },
        context,
        async (client) => await client.fineTuning.cancel(id),
      );
    } catch (error) {
      context.signal.throwIfAborted();
      const phase = toPhase((await readJob(id, context)).status);
      if (phase !== 'cancelling' && !isTerminalPhase(phase)) throw error;
    }
  },
};

function hasEndedBadly({ status }: Job): boolean {
  const phase = toPhase(status);
  return isTerminalPhase(phase) && phase !== 'succeeded';
}

/** Whether the service itself has started this job in the place of another one: on the same file, once the other had ended without a model. */
function isRestartOf(job: Job, other: Job): boolean {
  const isSame = job.id !== other.id && job.training_file != null && job.training_file === other.training_file;
  return isSame && hasEndedBadly(other) && getTime(job) > getTime(other) && getTime(job) >= (toIsoTime(other['updated_at']) ?? '');
}

/** The newest job that goes on in the place of this one, under another identifier; null where there is none. */
export async function findRestart(job: Job, context: Context): Promise<Job | null> {
  if (!hasEndedBadly(job)) return null;
  const later = (await readJobs(context)).filter((other) => isRestartOf(other, job));
  return later.toSorted((a, b) => getTime(a).localeCompare(getTime(b))).at(-1) ?? null;
}

const Supported = z.looseObject({ models: z.array(z.string().min(1)) });
const WireFile = z.looseObject({
  id: z.string(),
  filename: z.string().nullish().catch(null),
  purpose: z.string().nullish().catch(null),
  bytes: z.number().nullish().catch(null),
  created_at: z.unknown().optional(),
});

/** The models that can be tuned; it is also how the key is tried. */
export async function readSupported(context: Context, deadlineMs = 60_000): Promise<readonly string[]> {
  const route = 'GET /fine-tunes/models/supported';
  return await call({ call: route, deadlineMs }, context, async (client) => {
    return parseAnswer<{ models: string[] }>(Supported, await client.get('/fine-tunes/models/supported'), route).models;
  });
}

/** What the account has. */
export const account: Account<Prepared> = {
  async *jobs(context) {
    for (const job of (await readJobs(context)).toSorted((a, b) => getTime(b).localeCompare(getTime(a)))) {
      const status = { phase: toPhase(job.status), raw: job.status };
      yield { job: toJobRef(job, 1, context), status, base: job.model ?? '', model: job.model_output_name ?? null, end: null };
    }
  },
  async *models(context) {
    for (const name of await readSupported(context)) yield { name, kind: 'base', createdAt: null, end: null };
    for (const { status, model_output_name: name, created_at } of await readJobs(context)) {
      if (toPhase(status) === 'succeeded' && name != null) yield { name, kind: 'tuned', createdAt: toIsoTime(created_at), end: null };
    }
  },
  async *files(context) {
    const files = await call({ call: 'GET /files' }, context, async (client) => {
      return parseAnswer(z.looseObject({ data: z.array(WireFile) }), await client.files.list(), 'GET /files').data;
    });
    for (const { id, filename, purpose, bytes, created_at } of files) {
      const about = { name: filename ?? null, purpose: purpose ?? null, bytes: bytes ?? null };
      yield { id, ...about, createdAt: toIsoTime(created_at), expiresAt: null };
    }
  },
};

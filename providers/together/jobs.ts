import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { Account, Training } from '../../src/provider/provider.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { checkWhole } from '../../src/provider-kit/whole-list.ts';
import { toServiceFile } from '../openai-compatible/account.ts';
import { api, call, read, submit, toPhase } from './client.ts';
import { toPriced, type CreateBody, type CreateRequest, type Prepared } from './request.ts';

const text = z.string().nullish().catch(null);
const time = z.unknown().optional().transform(toIsoTime);

/** What is read of a job; everything but its identifier may be missing. */
const Job = z.looseObject({
  id: z.string().min(1),
  status: z.string().catch(''),
  created_at: time,
  updated_at: time,
  started_at: time,
  model: text,
  suffix: text,
  training_file: text,
  model_output_name: text,
});
export type Job = z.infer<typeof Job>;
const Jobs = z.strictObject({ data: z.array(Job) }); // a field beside the jobs might say that there are more of them

/** Long lists of an account, or of one job. */
export const maxBodyBytes = 64 * 2 ** 20;

export const formatPath = (id: string): string => `/fine-tunes/${encodeURIComponent(id)}`;

async function readJobs(context: Context): Promise<readonly Job[]> {
  return (await read({ path: '/fine-tunes', schema: Jobs, maxBodyBytes }, context)).data;
}

export async function readJob(id: string, context: Context): Promise<Job> {
  return await read({ path: formatPath(id), schema: Job }, context);
}

function toJobRef({ id, created_at: createdAt }: Job, attempt: number, context: Context): JobRef {
  const location = api.readBaseUrl(context);
  return { provider: 'together', id, location, attempt, createdAt: createdAt ?? context.now().toISOString(), url: null };
}

const Estimate = z.looseObject({ estimated_total_price: z.number().nullish(), allowed_to_proceed: z.boolean().nullish() });

/** Makes jobs, finds them again, and stops them. */
export const jobs: Pick<Training<CreateRequest, Prepared, CreateBody>, 'create' | 'find' | 'cancel' | 'quotePrepared'> = {
  /** What the service asks for exactly this body, now that it has the rows. @throws Failure `quota-exhausted` where the account lacks it */
  async quotePrepared(body, context) {
    const source = 'POST /fine-tunes/estimate-price';
    const answer = await call({ call: source }, context, async ({ fineTuning }) => await fineTuning.estimatePrice(toPriced(body)));
    const { estimated_total_price: usd, allowed_to_proceed: isAllowed } = parseAnswer(Estimate, answer, source);
    if (isAllowed === false) {
      const message = `Together does not let the account start a job of $${usd ?? '?'}`;
      throw new Failure('quota-exhausted', message, { hint: 'add credit at Together' });
    }
    return usd == null ? null : { currency: 'USD', low: usd, high: usd, source, asOf: context.now().toISOString().slice(0, 10) };
  },
  /** The one call that may cost, sent once. */
  async create(body, context) {
    const route = 'POST /fine-tunes';
    return await submit(route, context, async ({ fineTuning }) => {
      return toJobRef(parseAnswer(Job, await fineTuning.create(body), route), context.attempt, context);
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
    if (own.length === 0) {
      const uploads = prepared.map(({ uploadedAt }) => uploadedAt ?? null).toSorted();
      const since = uploads.includes(null) ? null : (uploads[0] ?? null); // a job on a file is younger than the file
      checkWhole(listed.map(getTime), { call: 'GET /fine-tunes', since });
    }
    const first = own.filter((job) => !own.some((other) => isRestartOf(job, other)));
    return first.map((job) => toJobRef(job, attempts.get(job.training_file ?? '') ?? context.attempt, context));
  },
  /** Stops a job for good, or the one that goes on in its place. A job that has ended is left alone. */
  async cancel(ref, context) {
    api.checkLocation(`the job ${ref.id}`, ref.location, context);
    const { id } = (await findRestart(await readJob(ref.id, context), context)) ?? ref;
    try {
      await call({ call: `POST ${formatPath(id)}/cancel` }, context, async ({ fineTuning }) => await fineTuning.cancel(id));
    } catch (error) {
      context.signal.throwIfAborted();
      const phase = toPhase((await readJob(id, context)).status);
      if (phase !== 'cancelling' && !isTerminalPhase(phase)) throw error;
    }
  },
};

function getTime({ created_at: createdAt }: Job): string {
  return createdAt ?? '';
}

function hasEndedBadly({ status }: Job): boolean {
  const phase = toPhase(status);
  return isTerminalPhase(phase) && phase !== 'succeeded';
}

/** Whether the service itself has started this job in the place of another one: on the same file, once the other had ended without a model. */
function isRestartOf(job: Job, other: Job): boolean {
  const isSame = job.id !== other.id && job.training_file != null && job.training_file === other.training_file;
  return isSame && hasEndedBadly(other) && getTime(job) > getTime(other) && getTime(job) >= (other.updated_at ?? '');
}

/** The newest job that goes on in the place of this one, under another identifier; null where there is none. */
export async function findRestart(job: Job, context: Context): Promise<Job | null> {
  if (!hasEndedBadly(job)) return null;
  const later = (await readJobs(context)).filter((other) => isRestartOf(other, job));
  return later.toSorted((a, b) => getTime(a).localeCompare(getTime(b))).at(-1) ?? null;
}

/** The models that can be tuned; it is also how the key is tried. */
export async function readSupported(context: Context, deadlineMs = 60_000): Promise<readonly string[]> {
  const schema = z.looseObject({ models: z.array(z.string().min(1)) });
  return (await read({ path: '/fine-tunes/models/supported', schema, deadlineMs }, context)).models;
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
    for (const { status, model_output_name: name, created_at: createdAt } of await readJobs(context)) {
      if (toPhase(status) === 'succeeded' && name != null) yield { name, kind: 'tuned', createdAt, end: null };
    }
  },
  async *files(context) {
    const schema = z.looseObject({ data: z.array(z.unknown()) });
    for (const file of (await read({ path: '/files', schema }, context)).data) yield toServiceFile(file, 'GET /files');
  },
};

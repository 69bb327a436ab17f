import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { Account, Training } from '../../src/provider/provider.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { findOwnJobs, findRestart as findListedRestart } from '../../src/provider-kit/listed-jobs.ts';
import { toServiceFile } from '../openai-compatible/account.ts';
import { api, call, read, submit, toPhase } from './client.ts';
import { toPriced, type CreateBody, type CreateRequest, type Prepared } from './request.ts';

const text = z.string().nullish().catch(null);
const number = z.number().nonnegative().nullable().catch(null);
const time = z.unknown().optional().transform(toIsoTime);

const Progress = z
  .looseObject({ estimate_available: z.literal(true), seconds_remaining: z.number().nonnegative() })
  .nullable()
  .catch(null);

/** What is read of a job; everything but its identifier may be missing. */
const Job = z
  .looseObject({
    id: z.string().min(1),
    status: z.string().catch(''),
    created_at: time,
    updated_at: time,
    started_at: time,
    model: text,
    suffix: text,
    training_file: text,
    model_output_name: text,
    n_epochs: number,
    total_price: number,
    progress: Progress,
  })
  .transform((job) => {
    const phase = toPhase(job.status);
    return { ...job, phase, hasFailed: isTerminalPhase(phase) && phase !== 'succeeded' };
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
  async find(_request, prepared, context) {
    const found = findOwnJobs(await readJobs(context), prepared, { key: context.key, call: 'GET /fine-tunes' });
    return found.map(({ job, attempt }) => toJobRef(job, attempt ?? context.attempt, context));
  },
  /** Stops a job for good, or the one that goes on in its place. A job that has ended is left alone. */
  async cancel(ref, context) {
    api.checkLocation(`the job ${ref.id}`, ref.location, context);
    const { id } = (await findRestart(await readJob(ref.id, context), context)) ?? ref;
    try {
      await call({ call: `POST ${formatPath(id)}/cancel` }, context, async ({ fineTuning }) => await fineTuning.cancel(id));
    } catch (error) {
      context.signal.throwIfAborted();
      const { phase } = await readJob(id, context);
      if (phase !== 'cancelling' && !isTerminalPhase(phase)) throw error;
    }
  },
};

/** The job that goes on in the place of this one, under another identifier; null where there is none. */
export async function findRestart(job: Job, context: Context): Promise<Job | null> {
  return await findListedRestart(job, async () => await readJobs(context));
}

/** The models that can be tuned; it is also how the key is tried. */
export async function readSupported(context: Context, deadlineMs = 60_000): Promise<readonly string[]> {
  const schema = z.looseObject({ models: z.array(z.string().min(1)) });
  return (await read({ path: '/fine-tunes/models/supported', schema, deadlineMs }, context)).models;
}

/** What the account has. */
export const account: Account<Prepared> = {
  async *jobs(context) {
    const listed = await readJobs(context);
    for (const job of listed.toSorted((a, b) => (b.created_at ?? '').localeCompare(a.created_at ?? ''))) {
      const status = { phase: job.phase, raw: job.status };
      yield { job: toJobRef(job, 1, context), status, base: job.model ?? '', model: job.model_output_name ?? null, end: null };
    }
  },
  async *models(context) {
    for (const name of await readSupported(context)) yield { name, kind: 'base', createdAt: null, end: null };
    for (const { phase, model_output_name: name, created_at: createdAt } of await readJobs(context)) {
      if (phase === 'succeeded' && name != null) yield { name, kind: 'tuned', createdAt, end: null };
    }
  },
  async *files(context) {
    const schema = z.looseObject({ data: z.array(z.unknown()) });
    for (const file of (await read({ path: '/files', schema }, context)).data) yield toServiceFile(file, 'GET /files');
  },
};

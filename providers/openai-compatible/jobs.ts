import type OpenAI from 'openai';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { Training } from '../../src/provider/provider.ts';
import type { Deprecation, ServiceJob } from '../../src/provider/service.ts';
import { isTerminalPhase, type Phase, type Status } from '../../src/provider/status.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import type { Api } from './client.ts';
import { metadataLabel, type CreateBody, type CreateRequest, type Prepared } from './request.ts';

/** What every job has; other fields that are read may be missing, or be something else than their description says. */
const Job = z.looseObject({ id: z.string(), status: z.string(), model: z.string() });

/** A job as the service has it. */
export type Job = z.infer<typeof Job>;

/** Everything but its id may be missing in the answer to a create: a job that was made and paid for is one all the same. */
const CreatedJob = z.looseObject({ id: z.string().min(1), object: z.literal('fine_tuning.job').nullish() });

const jobsPath = '/fine_tuning/jobs';

export function formatJobPath(id: string): string {
  return `${jobsPath}/${encodeURIComponent(id)}`;
}

/** The part of a provider that makes jobs, finds them again, and controls them. */
export function createJobs(
  api: Api,
): Pick<Training<CreateRequest, Prepared, CreateBody>, 'create' | 'find' | 'cancel' | 'pause' | 'resume'> {
  const { config } = api;
  const label = config.find ?? metadataLabel;
  const toJobRef = (job: z.infer<typeof CreatedJob>, context: Context & { readonly attempt: number }): JobRef => {
    const { attempt } = label.parse(job);
    const createdAt = toIsoTime(job['created_at']) ?? context.now().toISOString();
    return buildJobRef(
      api,
      { id: job.id, createdAt, attempt: attempt > 0 && Number.isSafeInteger(attempt) ? attempt : context.attempt },
      context,
    );
  };
  return {
    /** The one call that may cost, sent once. */
    async create(body, context) {
      if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before the job was sent'));
      const call = `POST ${jobsPath}`;
      return await api.submit(call, context, async (client) => {
        const job = await client.fineTuning.jobs.create(body as unknown as OpenAI.FineTuning.JobCreateParams);
        return toJobRef(parseAnswer(CreatedJob, job, call), context);
      });
    },
    /** The run's jobs: those that carry its key, and those that train on a file of its attempts. */
    async find(_request, prepared, context) {
      const files = new Set<unknown>(prepared.map(({ trainingFile }) => trainingFile));
      const call = `GET ${jobsPath}`;
      const list = (client: OpenAI, page: object) => client.fineTuning.jobs.list({ ...page, ...label.query(context.key) });
      const found: JobRef[] = [];
      for await (const items of api.readList({ call, list, mustBeComplete: true }, context)) {
        const jobs = items.map((item) => parseAnswer(CreatedJob, item, call));
        // Gateways ignore the filter, or lose the metadata.
        const own = jobs.filter((job) => label.parse(job).key === context.key || files.has(job['training_file']));
        found.push(...own.map((job) => toJobRef(job, context)));
      }
      return found;
    },
    /** Stops a job for good. A job that has ended is left alone. */
    cancel: async (job, context) => await control(api, { job, verb: 'cancel', isNeedless: isTerminalPhase }, context),
    /** Stops a running job where it can go on later. A pause that comes too early is asked for again until it is seen. */
    pause: async (job, context) =>
      await control(api, { job, verb: 'pause', isNeedless: (phase) => phase !== 'running' && phase !== 'unknown' }, context),
    /** Lets a paused job go on. A job that runs, or has ended, is left alone. */
    async resume(job, context) {
      await control(api, { job, verb: 'resume', isNeedless: (phase) => phase !== 'paused' && phase !== 'unknown' }, context);
      return job;
    },
  };
}

interface Control {
  readonly job: JobRef;
  readonly verb: 'cancel' | 'pause' | 'resume';
  /** Whether a job in this phase is as it was asked to be, or cannot be so yet. */
  isNeedless(phase: Phase): boolean;
}

/**
 * Asks something of a job. The service refuses what is done already, and an answer may be lost: the state of the job decides then.
 * @throws Failure where the job is not as it was asked to be
 */
async function control(api: Api, { job, verb, isNeedless }: Control, context: Context): Promise<void> {
  api.checkLocation(`the job ${job.id}`, job.location, context);
  try {
    await api.call(
      { call: `POST ${formatJobPath(job.id)}/${verb}` },
      context,
      async (client) => await client.fineTuning.jobs[verb](job.id),
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isNeedless(getPhase(api, (await readJob(api, job.id, context)).status))) throw error;
  }
}

/** A job as the service has it now. */
export async function readJob(api: Api, id: string, context: Context): Promise<Job> {
  const call = `GET ${formatJobPath(id)}`;
  return await api.call({ call }, context, async (client) => parseAnswer(Job, await client.fineTuning.jobs.retrieve(id), call));
}

/** Every job of the account, newest first, whoever made it. @param getDeprecation says when a model ends */
export async function* listJobs(
  api: Api,
  getDeprecation: (model: string) => Deprecation | null,
  context: Context,
): AsyncGenerator<ServiceJob> {
  const call = `GET ${jobsPath}`;
  for await (const items of api.readList({ call, list: (client, page) => client.fineTuning.jobs.list(page) }, context)) {
    for (const item of items) yield toServiceJob(api, parseAnswer(Job, item, call), { context, getDeprecation });
  }
}

/** A job of the service in our words. */
export function toServiceJob(
  api: Api,
  job: Job,
  { context, getDeprecation }: { readonly context: Context; readonly getDeprecation: (model: string) => Deprecation | null },
): ServiceJob {
  const model = getTunedName(job);
  const createdAt = toIsoTime(job['created_at']) ?? new Date(0).toISOString(); // a gateway that does not say: before all others
  return {
    job: buildJobRef(api, { id: job.id, createdAt, attempt: 1 }, context),
    status: getStatus(api, job),
    base: job.model,
    model,
    end: getDeprecation(model ?? job.model),
  };
}

function buildJobRef({ config, readBaseUrl }: Api, job: Pick<JobRef, 'id' | 'createdAt' | 'attempt'>, context: Context): JobRef {
  const location = readBaseUrl(context);
  const { id, createdAt, attempt } = job;
  return { provider: config.id, id, location, attempt, createdAt, url: config.getJobUrl?.(location, id) ?? null };
}

/** The name of the tuned model; null where there is none yet. */
export function getTunedName({ fine_tuned_model: name }: Job): string | null {
  return typeof name === 'string' && name !== '' ? name : null;
}

/** The status of a job. It has succeeded once it names its model: until then a check of the model may still forbid it. */
export function getStatus(api: Api, job: Job): Status {
  const phase = getPhase(api, job.status);
  return { phase: phase === 'succeeded' && getTunedName(job) === null ? 'finalizing' : phase, raw: job.status };
}

function getPhase({ config: { statusMap } }: Api, word: string): Phase {
  return (Object.hasOwn(statusMap, word) ? statusMap[word] : undefined) ?? 'unknown';
}

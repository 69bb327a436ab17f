import { z } from 'zod';
import { formatTime, toSeconds } from '../clock.ts';
import { readBody, refuse } from '../http.ts';
import type { AccountState, SandboxContext, Settings } from '../service.ts';
import { openaiDialect, type Dialect } from './dialects.ts';
import { addEvent, formatJob, scheduleJob } from './jobs.ts';
import type { Hyperparameters, Job } from './state.ts';
import { parseTrainingFile, type Method } from './training-file.ts';

/** Errors that a creation can be set to get, by their code. */
const refusals = {
  training_not_available: [403, 'Your organization is no longer able to create new fine-tuning training jobs.'],
  model_not_available: [400, 'The model is not available for fine-tuning or does not exist.'],
  insufficient_quota: [429, 'You exceeded your current quota, please check your plan and billing details.'],
  rate_limit_exceeded: [429, 'Rate limit reached for fine-tuning jobs. Please try again later.'],
  invalid_api_key: [401, 'Incorrect API key provided.'],
  server_error: [503, 'The server is overloaded. Please try again later.'],
} as const satisfies Readonly<Record<NonNullable<Settings['refuse']>, readonly [status: number, message: string]>>;
const refusalTypes: Readonly<Record<string, { readonly type: string }>> = {
  insufficient_quota: { type: 'insufficient_quota' },
  rate_limit_exceeded: { type: 'requests' },
};

const Asked = z.union([z.literal('auto'), z.number().gt(0)]).optional();
const AskedHyperparameters = z.strictObject({ n_epochs: Asked, batch_size: Asked, learning_rate_multiplier: Asked, beta: Asked });
const AskedMethod = z.strictObject({ hyperparameters: AskedHyperparameters.optional() });

/** The names are the published ones; ranges of values the tests hold to the published document. */
const CreateJob = z.strictObject({
  model: z.string(),
  training_file: z.string(),
  validation_file: z.string().nullish(),
  suffix: z.string().min(1).max(64).nullish(),
  seed: z.int().min(0).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  integrations: z.array(z.unknown()).nullish(),
  hyperparameters: AskedHyperparameters.optional(),
  method: z
    .strictObject({ type: z.enum(['supervised', 'dpo']), supervised: AskedMethod, dpo: AskedMethod })
    .partial({ supervised: true, dpo: true })
    .optional(),
});
const CreateAzureJob = CreateJob.extend({ trainingType: z.enum(['standard', 'globalStandard', 'developerTier']).optional() });
type CreateJob = z.infer<typeof CreateAzureJob>;

/** Creates a job, which is what costs: from here on it is in the bill. */
export async function createJob(context: SandboxContext): Promise<Response> {
  const { account, dialect, service } = context.var;
  const body: CreateJob = await readBody(context, dialect.id === 'azure' ? CreateAzureJob : CreateJob);
  const { refuse: code } = account.settings;
  if (code !== null) refuse(refusals[code][0], refusals[code][1], { ...refusalTypes[code], code });
  const nowMs = service.clock.nowMs();
  const method = checkModel(account, dialect, body);
  const training = findTrainingBytes(context, body.training_file, 'training_file');
  const validationBytes = body.validation_file == null ? null : findTrainingBytes(context, body.validation_file, 'validation_file');
  const job = buildJob(account, { body, method, dialect, nowMs, training });
  const { id, model, training_file: trainingFile, metadata } = job.wire;
  const validation = validationBytes === null ? null : parseTrainingFile(validationBytes, method, 'validation').problem;
  account.openai.jobs.unshift(job);
  account.bill.push({ kind: 'job', at: formatTime(nowMs), job: id, trainingFile, metadata: metadata ?? null, model });
  const [problem = null] = [
    ...(job.training.problem === null ? [] : [{ ...job.training.problem, param: 'training_file' }]),
    ...(validation === null ? [] : [{ ...validation, param: 'validation_file' }]),
  ];
  scheduleJob(account, job, problem);
  addEvent(account, job, { atMs: nowMs, message: `Created fine-tuning job: ${id}` });
  addEvent(account, job, { atMs: nowMs, message: `Validating training file: ${trainingFile}` });
  return context.json(formatJob(job), dialect.createdStatus);
}

/** Refuses a model that cannot be tuned; returns the method. */
function checkModel(account: AccountState, dialect: Dialect, { model, method: asked, trainingType, hyperparameters }: CreateJob): Method {
  const method = asked?.type ?? 'supervised';
  const tuned = account.openai.models.get(model);
  const base = dialect.bases.find(({ id }) => id === (tuned?.base ?? model));
  if (base === undefined || !base.methods.includes(method) || (tuned ?? { dialect }).dialect.id !== dialect.id) {
    const message = `Model ${model} is not available for fine-tuning or does not exist.`;
    return refuse(400, message, { param: 'model', code: 'model_not_available' });
  }
  if (base.isGlobalOnly === true && trainingType !== 'globalStandard')
    refuse(400, `Model ${model} requires trainingType globalStandard.`, { param: 'trainingType', code: 'invalidPayload' });
  if (dialect.id === 'azure' && method === 'dpo' && hyperparameters !== undefined)
    refuse(400, 'Hyperparameters of this method belong inside method.dpo.', { param: 'hyperparameters', code: 'invalidPayload' });
  return method;
}

function findTrainingBytes({ var: { account, service } }: SandboxContext, id: string, param: string): Buffer {
  const file = account.openai.files.get(id);
  if (file?.wire.purpose !== 'fine-tune') return refuse(400, `invalid ${param}: ${id}`, { param });
  if (service.clock.nowMs() < file.readyMs)
    refuse(400, `The file import of ${id} is not completed.`, { param, code: 'fileImportNotCompleted' });
  return file.bytes;
}

interface NewJob {
  readonly body: CreateJob;
  readonly method: Method;
  readonly dialect: Dialect;
  readonly nowMs: number;
  readonly training: Buffer;
}

/** A job to which nothing has happened yet and nothing will. */
function buildJob(account: AccountState, { body, method, dialect, nowMs, training: bytes }: NewJob): Job {
  const training = parseTrainingFile(bytes, method, 'training');
  const hyperparameters = chooseHyperparameters(body, training.examples.length);
  const { beta: _, ...echoed } = hyperparameters;
  return {
    wire: {
      object: 'fine_tuning.job',
      id: account.nextId('ftjob-'),
      model: body.model,
      created_at: toSeconds(nowMs),
      finished_at: null,
      fine_tuned_model: null,
      organization_id: 'org-sandbox',
      result_files: [],
      status: 'validating_files',
      validation_file: body.validation_file ?? null,
      training_file: body.training_file,
      hyperparameters: !dialect.echoesHyperparameters ? null : method === 'supervised' ? echoed : {},
      trained_tokens: null,
      error: null,
      user_provided_suffix: body.suffix ?? null,
      seed: body.seed ?? account.nextSeed(),
      estimated_finish: null,
      integrations: (body.integrations as Job['wire']['integrations']) ?? null,
      metadata: body.metadata ?? null,
      method: { type: method, [method]: { hyperparameters } },
    },
    dialect,
    method,
    hyperparameters,
    training,
    status: 'validating_files',
    createdMs: nowMs,
    durationMs: account.settings.jobMs,
    scheduled: [],
    polled: 0,
    pausedMs: 0,
    pausedAtMs: null,
    events: [],
    checkpoints: [],
  };
}

/** Numbers for what was left to the service, by the rules of thumb that it is known for. */
function chooseHyperparameters({ method, hyperparameters }: CreateJob, examples: number): Hyperparameters {
  const isPreference = method?.type === 'dpo';
  const asked = method?.[method.type]?.hyperparameters ?? hyperparameters ?? {};
  const choose = (value: number | 'auto' | undefined, automatic: number): number => (typeof value === 'number' ? value : automatic);
  return {
    n_epochs: choose(asked.n_epochs, Math.min(25, Math.max(3, Math.ceil(100 / Math.max(examples, 1))))),
    batch_size: choose(asked.batch_size, Math.min(256, Math.max(1, Math.ceil(examples * 0.002)))),
    learning_rate_multiplier: choose(asked.learning_rate_multiplier, isPreference ? 1 : 2),
    ...(isPreference ? { beta: choose(asked.beta, 0.1) } : {}),
  };
}

const otherAgeMs = 60_000;

/** Puts jobs of other people into the list until there are as many as the settings say. They are below all real ones. */
export function addOtherJobs(account: AccountState, nowMs: number): void {
  const { jobs } = account.openai;
  const present = jobs.filter(({ wire }) => wire.metadata?.['other'] !== undefined).length;
  for (let i = present; i < account.settings.otherJobs; i++) {
    const body = { model: 'gpt-4.1-mini-2025-04-14', training_file: account.nextId('file-'), metadata: { other: String(i) } };
    const other = { body, method: 'supervised', dialect: openaiDialect, nowMs: nowMs - otherAgeMs, training: Buffer.alloc(0) } as const;
    jobs.push({ ...buildJob(account, other), status: 'running' });
  }
}

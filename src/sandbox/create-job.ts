import { refuse } from './answer.ts';
import type { Call } from './call.ts';
import type { Dialect } from './dialect.ts';
import { resolveHyperparameters, type AskedHyperparameters } from './hyperparameters.ts';
import { addEvent, planJob } from './life-cycle.ts';
import { refusals } from './settings.ts';
import { readTrainingFile, type Method } from './training-file.ts';
import type { Job, StoredFile, ServiceAccount } from './service-account.ts';

/** The body of a creation, as its schema lets it through. */
interface CreateBody {
  readonly model: string;
  readonly training_file: string;
  readonly validation_file?: string | null;
  readonly suffix?: string | null;
  readonly seed?: number | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
  readonly integrations?: readonly unknown[] | null;
  readonly hyperparameters?: AskedHyperparameters;
  readonly method?: { readonly type: Method | 'reinforcement' } & Readonly<
    Partial<Record<Method, { readonly hyperparameters?: AskedHyperparameters }>>
  >;
  readonly trainingType?: string;
}

/** Creates a job, which is what costs: from here it stands in the bill. */
export function createJob({ account, dialect, nowMs, body: json }: Call): Job {
  const body = json as CreateBody;
  const method = body.method?.type ?? 'supervised';
  if (account.settings.refuse !== null) refuseAsSet(account.settings.refuse);
  requireModel({ account, dialect, body, method });
  const training = findTrainingFile(account, { id: body.training_file, param: 'training_file', nowMs });
  const validationId = body.validation_file ?? null;
  const validation = validationId === null ? null : findTrainingFile(account, { id: validationId, param: 'validation_file', nowMs });
  const job = toNewJob(account, { body, method: method as Method, dialect, nowMs, training: training.bytes });
  account.jobs.unshift(job);
  const { id, model, trainingFile, metadata } = job;
  account.bill.push({ kind: 'job', at: new Date(nowMs).toISOString(), job: id, trainingFile, metadata, model });
  const problems = [
    { param: 'training_file', problem: job.training.problem },
    {
      param: 'validation_file',
      problem: validation === null ? null : readTrainingFile(validation.bytes, job.method, 'validation').problem,
    },
  ];
  const [first] = problems.flatMap(({ param, problem }) => (problem === null ? [] : [{ ...problem, param }]));
  job.moments = planJob(account, job, first ?? null);
  addEvent(account, job, nowMs, { message: `Created fine-tuning job: ${job.id}` });
  addEvent(account, job, nowMs, { message: `Validating training file: ${job.trainingFile}` });
  return job;
}

function refuseAsSet(code: keyof typeof refusals): never {
  const { status, message, type } = refusals[code];
  return refuse(status, message, { type, code });
}

interface Asked {
  readonly account: ServiceAccount;
  readonly dialect: Dialect;
  readonly body: CreateBody;
  readonly method: Method | 'reinforcement';
}

function requireModel({ account, dialect, body, method }: Asked): void {
  const tuned = account.models.get(body.model);
  const base = dialect.bases.find(({ id }) => id === toRoot(account, body.model));
  const canTune = base !== undefined && method !== 'reinforcement' && base.methods.includes(method);
  if (!canTune || (tuned !== undefined && tuned.dialect.id !== dialect.id)) {
    const message = `Model ${body.model} is not available for fine-tuning or does not exist.`;
    refuse(400, message, { param: 'model', code: 'model_not_available' });
  }
  if (base?.isGlobalOnly === true && body.trainingType !== 'globalStandard')
    refuse(400, `Model ${body.model} requires trainingType globalStandard.`, { param: 'trainingType', code: 'invalidPayload' });
  if (dialect.id === 'azure' && method === 'dpo' && body.hyperparameters !== undefined)
    refuse(400, 'Hyperparameters of this method belong inside method.dpo.', { param: 'hyperparameters', code: 'invalidPayload' });
}

/** The base that a model was tuned from; its own name where it is none of the account's. */
export function toRoot(account: ServiceAccount, model: string): string {
  return account.models.get(model)?.base ?? model;
}

function findTrainingFile(
  account: ServiceAccount,
  { id, param, nowMs }: { readonly id: string; readonly param: string; readonly nowMs: number },
): StoredFile {
  const file = account.files.get(id);
  if (file === undefined || file.purpose !== 'fine-tune' || (file.expiresMs ?? Infinity) <= nowMs)
    refuse(400, `invalid ${param}: ${id}`, { param });
  if (nowMs < file.readyMs) refuse(400, `The file import of ${id} is not completed.`, { param, code: 'fileImportNotCompleted' });
  return file;
}

interface NewJob {
  readonly body: CreateBody;
  readonly method: Method;
  readonly dialect: Dialect;
  readonly nowMs: number;
  readonly training: Buffer;
}

/** A job to which nothing has happened yet and nothing will. */
export function toNewJob(account: ServiceAccount, { body, method, dialect, nowMs, training: bytes }: NewJob): Job {
  const training = readTrainingFile(bytes, method, 'training');
  const asked = body.method?.[method]?.hyperparameters ?? body.hyperparameters ?? {};
  return {
    id: account.nextId('ftjob-'),
    dialect,
    createdMs: nowMs,
    model: body.model,
    method,
    hyperparameters: resolveHyperparameters(asked, training.examples.length, method),
    suffix: body.suffix ?? null,
    seed: body.seed ?? account.nextSeed(),
    metadata: body.metadata ?? null,
    integrations: body.integrations ?? null,
    trainingFile: body.training_file,
    validationFile: body.validation_file ?? null,
    training,
    durationMs: account.settings.jobMs,
    moments: [],
    status: 'validating_files',
    looks: 0,
    pausedMs: 0,
    pausedAtMs: null,
    finishedMs: null,
    fineTunedModel: null,
    resultFiles: [],
    trainedTokens: null,
    error: null,
    events: [],
    checkpoints: [],
  };
}

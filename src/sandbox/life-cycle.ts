import { toResultFile } from './results.ts';
import { countSteps, measure } from './steps.ts';
import type { Job, JobEvent, JobError, Moment, ServiceAccount } from './service-account.ts';

/** Parts of a job's time at which it leaves `validating_files` and `queued`. */
const validated = 0.1;
const started = 0.25;
/** Most metrics events of a job; with more steps they are spread evenly. */
const mostSteps = 2000;
const keptCheckpoints = 3;

/** Lets everything happen to a job that is due: by the clock, or by looks where they rule. */
export function advance(account: ServiceAccount, job: Job, nowMs: number): void {
  if (job.status === 'paused') return;
  const { looks } = account.settings;
  const elapsedMs = looks === null ? nowMs - job.createdMs - job.pausedMs : (job.durationMs * job.looks) / looks;
  while (job.moments[0] !== undefined && job.moments[0].offsetMs <= elapsedMs) {
    const moment = job.moments.shift()!;
    moment.happen(looks === null ? job.createdMs + job.pausedMs + moment.offsetMs : nowMs);
  }
}

/** When a running job will have ended, in ms; null where that cannot be said. */
export function toEstimatedFinish(job: Job): number | null {
  return job.status === 'running' ? job.createdMs + job.pausedMs + job.durationMs : null;
}

export function addEvent(account: ServiceAccount, job: Job, atMs: number, event: Partial<JobEvent> & { readonly message: string }): void {
  job.events.push({ id: account.nextId('ftevent-'), atMs, level: 'info', type: 'message', data: {}, ...event });
}

/** All that is going to happen to a new job. `error`: what is wrong with its files. */
export function planJob(account: ServiceAccount, job: Job, error: JobError | null): Moment[] {
  const at = (part: number, happen: (atMs: number) => void): Moment => ({ offsetMs: Math.ceil(part * job.durationMs), happen });
  if (error !== null) return [at(validated, (atMs) => fail(account, job, { atMs, error }))];
  return [
    at(validated, (atMs) => {
      job.status = 'queued';
      addEvent(account, job, atMs, { message: 'Files validated, moving job to queued state' });
    }),
    at(started, (atMs) => {
      job.status = 'running';
      addEvent(account, job, atMs, { message: 'Fine-tuning job started' });
    }),
    ...planSteps(account, job).map(({ step, happen }) => at(started + ((1 - started) * step.number) / step.of, happen)),
    at(1, (atMs) => finish(account, job, atMs)),
  ];
}

interface PlannedStep {
  readonly step: { readonly number: number; readonly of: number };
  happen(atMs: number): void;
}

function planSteps(account: ServiceAccount, job: Job): PlannedStep[] {
  const { steps, perEpoch } = countSteps(job);
  const every = Math.ceil(steps / mostSteps);
  const numbers = Array.from({ length: steps }, (_, i) => i + 1).filter((n) => n % every === 0 || n % perEpoch === 0);
  return numbers.map((number) => ({
    step: { number, of: steps + 1 }, // the last step is over a little before the job
    happen(atMs) {
      addStepEvent(account, job, { atMs, step: number });
      if (number % perEpoch === 0) addCheckpoint(account, job, { atMs, step: number });
    },
  }));
}

interface AtStep {
  readonly atMs: number;
  readonly step: number;
}

function addStepEvent(account: ServiceAccount, job: Job, { atMs, step }: AtStep): void {
  const metrics = measure(job, step);
  const validation = metrics.valid_loss === undefined ? '' : `, validation loss=${metrics.valid_loss.toFixed(2)}`;
  const message = `Step ${step}/${metrics.total_steps}: training loss=${metrics.train_loss.toFixed(2)}${validation}`;
  // What the service measures in preference tuning is not published; these are the usual names of the field.
  const preference = { reward_accuracy: metrics.train_mean_token_accuracy, reward_margin: Number((2.5 - metrics.train_loss).toFixed(5)) };
  addEvent(account, job, atMs, { message, type: 'metrics', data: { ...metrics, ...(job.method === 'dpo' ? preference : {}) } });
}

function addCheckpoint(account: ServiceAccount, job: Job, { atMs, step }: AtStep): void {
  const { total_steps: _, ...metrics } = measure(job, step);
  const model = `${toModelName(job)}:ckpt-step-${step}`;
  job.checkpoints.push({ id: account.nextId('ftckpt_'), atMs, model, step, metrics });
  addModel(account, job, { id: model, atMs, isCheckpoint: true });
  addEvent(account, job, atMs, { message: `Checkpoint created at step ${step}` });
  const old = job.checkpoints.length > keptCheckpoints ? job.checkpoints.shift() : undefined;
  if (old !== undefined) account.models.delete(old.model);
}

function toModelName(job: Job): string {
  const id = job.id.slice('ftjob-'.length, 'ftjob-'.length + 8);
  return job.dialect.toModelName({ base: job.model, suffix: job.suffix, id });
}

function addModel(
  account: ServiceAccount,
  job: Job,
  { id, atMs, isCheckpoint }: { id: string; atMs: number; isCheckpoint: boolean },
): void {
  const before = account.models.get(job.model);
  const examples = [...(before?.examples ?? []), ...job.training.examples];
  account.models.set(id, {
    id,
    base: before?.base ?? job.model,
    createdMs: atMs,
    dialect: job.dialect,
    examples,
    isCheckpoint,
    predictor: null,
  });
}

function fail(account: ServiceAccount, job: Job, { atMs, error }: { readonly atMs: number; readonly error: JobError }): void {
  job.status = 'failed';
  job.finishedMs = atMs;
  job.error = error;
  addEvent(account, job, atMs, { message: error.message, level: 'error', data: { error_code: error.code } });
}

function finish(account: ServiceAccount, job: Job, atMs: number): void {
  const { jobError } = account.settings;
  if (jobError !== null) return fail(account, job, { atMs, error: { ...jobError, param: null } });
  const name = account.settings.blockModel ? null : toModelName(job);
  if (name !== null) addModel(account, job, { id: name, atMs, isCheckpoint: false });
  const file = toResultFile(account, job, atMs);
  account.files.set(file.id, file);
  job.fineTunedModel = name;
  job.resultFiles = [file.id];
  job.trainedTokens = job.training.tokens * job.hyperparameters.n_epochs;
  job.finishedMs = atMs;
  job.status = 'succeeded';
  const verdict = name === null ? 'This model is blocked by usage policy evaluations' : 'Usage policy evaluations completed';
  if (name !== null) addEvent(account, job, atMs, { message: 'New fine-tuned model created' });
  addEvent(account, job, atMs, { message: verdict, type: 'moderation_checks', data: { blocked: name === null } });
  addEvent(account, job, atMs, { message: 'The job has successfully completed' });
}

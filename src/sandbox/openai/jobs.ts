import { toStreamKey, toUniform } from '../../lib/random.ts';
import { runDueEvents, toSeconds, type ScheduledEvent } from '../clock.ts';
import { getPage, getParam, refuse } from '../http.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import type { Job, JobEvent, JobStatus, WireFile, WireJob } from './state.ts';

/** A job as the service writes it. */
export function formatJob({ wire, status, dialect, createdMs, pausedMs, durationMs }: Job): WireJob {
  const finish = status === 'running' ? toSeconds(createdMs + pausedMs + durationMs) : null;
  return { ...wire, status: dialect.statusWords[status] ?? status, estimated_finish: finish };
}

export function listJobs(context: SandboxContext): Response {
  const { account, dialect, service } = context.var;
  const nowMs = service.clock.nowMs();
  const isWanted = buildMetadataFilter(context);
  const listed = account.openai.jobs.filter(
    (job) => job.createdMs <= nowMs - account.settings.listLagMs && job.dialect.id === dialect.id && isWanted(job),
  );
  for (const job of listed) advanceJob(account, job, nowMs);
  return context.json({ object: 'list', ...getPage(context, listed.map(formatJob), { usual: 20, query: ['metadata[]'] }) });
}

/** `metadata[key]=value`, each of them. */
function buildMetadataFilter(context: SandboxContext): (job: Job) => boolean {
  const pairs = Object.entries(context.req.query()).flatMap(([name, value]) => {
    const key = /^metadata\[(.*)\]$/s.exec(name)?.[1];
    return key === undefined ? [] : [{ key, value }];
  });
  return ({ wire: { metadata } }) => pairs.every(({ key, value }) => metadata?.[key] === value);
}

/** The job that the path names, as it is now. */
function findJob(context: SandboxContext, { isPoll = false } = {}): Job {
  const { account, service } = context.var;
  const id = getParam(context, 'id');
  const job = account.openai.jobs.find(({ wire }) => wire.id === id);
  if (job === undefined) return refuse(404, `Could not find fine tune: ${id}`, { param: 'fine_tune_id', code: 'fine_tune_not_found' });
  if (isPoll && job.status !== 'paused') job.polled++;
  advanceJob(account, job, service.clock.nowMs());
  return job;
}

export function retrieveJob(context: SandboxContext): Response {
  return context.json(formatJob(findJob(context, { isPoll: true })));
}

export function cancelJob(context: SandboxContext): Response {
  return changeJob(context, { from: ['validating_files', 'queued', 'running', 'paused'], to: 'cancelled' });
}

export function pauseJob(context: SandboxContext): Response {
  return changeJob(context, { from: ['running'], to: 'paused' });
}

export function resumeJob(context: SandboxContext): Response {
  return changeJob(context, { from: ['paused'], to: 'running' });
}

interface Change {
  readonly from: readonly JobStatus[];
  readonly to: 'cancelled' | 'paused' | 'running';
}

function changeJob(context: SandboxContext, { from, to }: Change): Response {
  const { account, service } = context.var;
  const job = findJob(context);
  const nowMs = service.clock.nowMs();
  if (!from.includes(job.status)) refuse(400, `Job ${job.wire.id} cannot become ${to}: its status is ${job.status}.`);
  if (job.pausedAtMs !== null) job.pausedMs += nowMs - job.pausedAtMs;
  job.pausedAtMs = to === 'paused' ? nowMs : null;
  if (to === 'cancelled') {
    job.wire.finished_at = toSeconds(nowMs);
    job.scheduled = [];
  }
  job.status = to;
  addEvent(account, job, { atMs: nowMs, message: `Fine-tuning job ${to === 'running' ? 'resumed' : to}` });
  return context.json(formatJob(job));
}

/** Events, newest first. */
export function listEvents(context: SandboxContext): Response {
  return context.json({ object: 'list', ...getPage(context, findJob(context).events.toReversed(), { usual: 20 }) });
}

/** Checkpoints, newest first. */
export function listCheckpoints(context: SandboxContext): Response {
  const page = getPage(context, findJob(context).checkpoints.toReversed(), { usual: 10 });
  return context.json({ object: 'list', ...page, first_id: page.data[0]?.id ?? null, last_id: page.data.at(-1)?.id ?? null });
}

/** Parts of a job's time at which it leaves `validating_files` and `queued`. */
const validated = 0.1;
const started = 0.25;
/** Most metrics events of a job; with more steps they are spread evenly. */
const mostSteps = 2000;
const keptCheckpoints = 3;

/** Lets everything happen to a job that is due. */
function advanceJob(account: AccountState, job: Job, nowMs: number): void {
  if (job.status !== 'paused') runDueEvents(job, account.settings.polls, nowMs);
}

export function advanceJobs(account: AccountState, nowMs: number): void {
  for (const job of account.openai.jobs) advanceJob(account, job, nowMs);
}

type NewEvent = Pick<JobEvent, 'message'> & Partial<JobEvent> & { readonly atMs: number };

export function addEvent(account: AccountState, job: Job, { atMs, ...event }: NewEvent): void {
  const usual = { level: 'info', type: 'message', data: {} } as const;
  job.events.push({ object: 'fine_tuning.job.event', id: account.nextId('ftevent-'), created_at: toSeconds(atMs), ...usual, ...event });
}

/** Schedules all that is going to happen to a new job. `error`: what is wrong with its files. */
export function scheduleJob(account: AccountState, job: Job, error: WireJob['error']): void {
  const at = (part: number, happen: (atMs: number) => void): ScheduledEvent => ({ offsetMs: Math.ceil(part * job.durationMs), happen });
  if (error !== null) {
    job.scheduled = [at(validated, (atMs) => failJob(account, job, { atMs, error }))];
    return;
  }
  const { steps, perEpoch } = countSteps(job);
  const every = Math.ceil(steps / mostSteps);
  const reported = Array.from({ length: steps }, (_, i) => i + 1).filter((step) => step % every === 0 || step % perEpoch === 0);
  job.scheduled = [
    at(validated, (atMs) => {
      job.status = 'queued';
      addEvent(account, job, { atMs, message: 'Files validated, moving job to queued state' });
    }),
    at(started, (atMs) => {
      job.status = 'running';
      addEvent(account, job, { atMs, message: 'Fine-tuning job started' });
    }),
    // The last step is over a little before the job.
    ...reported.map((step) => at(started + ((1 - started) * step) / (steps + 1), (atMs) => endStep(account, job, { atMs, step }))),
    at(1, (atMs) => finishJob(account, job, atMs)),
  ];
}

function countSteps({ training, hyperparameters: { n_epochs: epochs, batch_size: size } }: Job): { steps: number; perEpoch: number } {
  const perEpoch = Math.max(1, Math.ceil(training.examples.length / size));
  return { steps: perEpoch * epochs, perEpoch };
}

function endStep(account: AccountState, job: Job, { atMs, step }: { readonly atMs: number; readonly step: number }): void {
  const { steps, perEpoch } = countSteps(job);
  const metrics = measure(job, step);
  const validation = metrics.valid_loss === undefined ? '' : `, validation loss=${metrics.valid_loss.toFixed(2)}`;
  const message = `Step ${step}/${steps}: training loss=${metrics.train_loss.toFixed(2)}${validation}`;
  // What the service measures in preference tuning is not published; these are the usual names of the field.
  const preference = { reward_accuracy: metrics.train_mean_token_accuracy, reward_margin: round(2.5 - metrics.train_loss) };
  const data = { ...metrics, total_steps: steps, ...(job.method === 'dpo' ? preference : {}) };
  addEvent(account, job, { atMs, message, type: 'metrics', data });
  if (step % perEpoch !== 0) return;
  const fine_tuned_model_checkpoint = `${buildModelName(job)}:ckpt-step-${step}`;
  job.checkpoints.push({
    object: 'fine_tuning.job.checkpoint',
    id: account.nextId('ftckpt_'),
    created_at: toSeconds(atMs),
    fine_tuned_model_checkpoint,
    fine_tuning_job_id: job.wire.id,
    step_number: step,
    metrics,
  });
  addModel(account, job, { id: fine_tuned_model_checkpoint, atMs });
  addEvent(account, job, { atMs, message: `Checkpoint created at step ${step}` });
  const old = job.checkpoints.length > keptCheckpoints ? job.checkpoints.shift() : undefined;
  if (old !== undefined) account.openai.models.delete(old.fine_tuned_model_checkpoint);
}

/** The measures of a step: curves that fall with the steps, with noise from the seed. */
function measure({ wire, ...job }: Job, step: number) {
  const { steps, perEpoch } = countSteps({ wire, ...job });
  const hasValidation = wire.validation_file !== null;
  const measurePart = (part: string, progress: number): { loss: number; accuracy: number } => {
    const noise = 1 + 0.1 * (toUniform(toStreamKey(wire.seed, part), step) - 0.5);
    const loss = (0.2 + 2 * Math.exp(-3 * progress)) * noise; // from about 2.2 to about 0.3
    return { loss: round(loss), accuracy: round(Math.exp(-loss / 1.5)) };
  };
  const train = measurePart('train', step / steps);
  const valid = measurePart('valid', (0.9 * step) / steps);
  const full = measurePart('full', (0.9 * step) / steps);
  return {
    step,
    train_loss: train.loss,
    train_mean_token_accuracy: train.accuracy,
    ...(hasValidation ? { valid_loss: valid.loss, valid_mean_token_accuracy: valid.accuracy } : {}),
    ...(hasValidation && step % perEpoch === 0 ? { full_valid_loss: full.loss, full_valid_mean_token_accuracy: full.accuracy } : {}),
  };
}

function round(value: number): number {
  return Number(value.toFixed(5));
}

function buildModelName({ wire: { id, model, user_provided_suffix: suffix }, dialect }: Job): string {
  const begin = 'ftjob-'.length;
  return dialect.formatModelName({ base: model, suffix, id: id.slice(begin, begin + 8) });
}

interface NewModel {
  readonly id: string;
  readonly atMs: number;
}

function addModel({ openai: { models } }: AccountState, { wire, dialect, training }: Job, { id, atMs: createdMs }: NewModel): void {
  const before = models.get(wire.model);
  models.set(id, { base: before?.base ?? wire.model, createdMs, dialect, examples: [...(before?.examples ?? []), ...training.examples] });
}

interface JobFailure {
  readonly atMs: number;
  readonly error: NonNullable<WireJob['error']>;
}

function failJob(account: AccountState, job: Job, { atMs, error }: JobFailure): void {
  job.status = 'failed';
  Object.assign(job.wire, { finished_at: toSeconds(atMs), error } satisfies Partial<WireJob>);
  addEvent(account, job, { atMs, message: error.message, level: 'error', data: { error_code: error.code } });
}

function finishJob(account: AccountState, job: Job, atMs: number): void {
  const { jobError, blockModel } = account.settings;
  if (jobError !== null) return failJob(account, job, { atMs, error: { ...jobError, param: null } });
  const name = blockModel ? null : buildModelName(job);
  if (name !== null) addModel(account, job, { id: name, atMs });
  job.status = 'succeeded';
  Object.assign(job.wire, {
    finished_at: toSeconds(atMs),
    fine_tuned_model: name,
    result_files: [addResultFile(account, job, atMs)],
    trained_tokens: job.training.tokens * job.hyperparameters.n_epochs,
  } satisfies Partial<WireJob>);
  const verdict = name === null ? 'This model is blocked by usage policy evaluations' : 'Usage policy evaluations completed';
  if (name !== null) addEvent(account, job, { atMs, message: 'New fine-tuned model created' });
  addEvent(account, job, { atMs, message: verdict, type: 'moderation_checks', data: { blocked: name === null } });
  addEvent(account, job, { atMs, message: 'The job has successfully completed' });
}

/** A CSV with the measures of all steps; returns its identifier. */
function addResultFile(account: AccountState, job: Job, atMs: number): string {
  const { columns, resultFilename: filename, encodeResult } = job.dialect;
  const rows = Array.from({ length: countSteps(job).steps }, (_, i) => {
    const metrics: Readonly<Record<string, number>> = measure(job, i + 1);
    return columns.map(([, metric]) => metrics[metric] ?? '').join(',');
  });
  const bytes = encodeResult([columns.map(([name]) => name).join(','), ...rows, ''].join('\n'));
  const about = { object: 'file', purpose: 'fine-tune-results', status: 'processed', filename, created_at: toSeconds(atMs) } as const;
  const wire: WireFile = { ...about, id: account.nextId('file-'), bytes: bytes.length };
  account.openai.files.set(wire.id, { wire, bytes, readyMs: atMs });
  return wire.id;
}

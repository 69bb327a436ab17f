import type Together from 'together-ai';
import { toStreamKey, toUniform } from '../../lib/random.ts';
import { formatTime, runDueEvents, type ScheduledEvent } from '../clock.ts';
import { getParam, refuse } from '../http.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import type { TogetherJob, TogetherStatus, WireJob } from './state.ts';

const nanoDollars = 1e9;

/** A job as lists have it. */
export function formatShortJob({ wire }: TogetherJob): WireJob {
  return wire;
}

/** A job as it is retrieved: without its suffix. */
function formatJob(job: TogetherJob, nowMs: number): object {
  const { suffix: _, random_seed: __, packing: ___, max_seq_length: ____, ...wire } = job.wire;
  const secondsLeft = Math.max(0, Math.ceil((job.createdMs + job.durationMs - nowMs) / 1000));
  return { ...wire, job_id: wire.id, progress: { estimate_available: wire.status === 'running', seconds_remaining: secondsLeft } };
}

/** All jobs, newest first; the published document knows no pages. */
export function listTogetherJobs(context: SandboxContext): Response {
  const { account, service } = context.var;
  const nowMs = service.clock.nowMs();
  advanceTogetherJobs(account, nowMs);
  const { listLagMs, listCap } = account.settings;
  const listed = account.together.jobs.filter(({ createdMs }) => createdMs <= nowMs - listLagMs);
  return context.json({ data: listed.slice(0, listCap ?? listed.length).map(formatShortJob) });
}

function findJob(context: SandboxContext, { isPoll = false } = {}): TogetherJob {
  const { account, service } = context.var;
  const id = getParam(context, 'id');
  const job = account.together.jobs.find(({ wire }) => wire.id === id);
  if (job === undefined) return refuse(404, `Fine-tune job ${id} not found`);
  const wasAsked = job.wire.status === 'cancel_requested';
  if (isPoll) job.polled++;
  advanceTogetherJobs(account, service.clock.nowMs());
  // A job that was asked to stop says so once, and has stopped when somebody looks again.
  if (isPoll && wasAsked && job.isStopSeen) endJob(job, 'cancelled', service.clock.nowMs());
  else if (isPoll && wasAsked) job.isStopSeen = true;
  return job;
}

export function retrieveTogetherJob(context: SandboxContext): Response {
  return context.json(formatJob(findJob(context, { isPoll: true }), context.var.service.clock.nowMs()));
}

export function cancelTogetherJob(context: SandboxContext): Response {
  const job = findJob(context);
  const { service } = context.var;
  if (isEnded(job)) refuse(400, `Job ${job.wire.id} cannot be cancelled: its status is ${job.wire.status}.`);
  if (job.wire.status !== 'cancel_requested') {
    const nowMs = service.clock.nowMs();
    setStatus(job, 'cancel_requested', nowMs);
    addTogetherEvent(job, { atMs: nowMs, type: 'cancel_requested', message: 'Cancel requested' });
    job.scheduled = [];
  }
  return context.json(formatShortJob(job));
}

export function deleteTogetherJob(context: SandboxContext): Response {
  const job = findJob(context);
  if (!isEnded(job) && context.req.query('force') !== 'true') refuse(400, `Job ${job.wire.id} has not ended.`);
  const { jobs } = context.var.account.together;
  jobs.splice(jobs.indexOf(job), 1);
  return context.json({ message: 'Job deleted' });
}

export function listTogetherEvents(context: SandboxContext): Response {
  return context.json({ data: findJob(context).events });
}

export function listTogetherCheckpoints(context: SandboxContext): Response {
  return context.json({ data: findJob(context).checkpoints });
}

export function listTogetherMetrics(context: SandboxContext): Response {
  const { global_step_from: from = '0', global_step_to: to = 'Infinity' } = context.req.query();
  const steps = findJob(context).metrics.filter((metric) => {
    const step = metric['train/global_step'] ?? metric['eval/global_step'] ?? 0;
    return step >= Number(from) && step <= Number(to);
  });
  return context.json({ metrics: steps });
}

function isEnded({ endedMs }: TogetherJob): boolean {
  return endedMs !== null;
}

function setStatus(job: TogetherJob, status: TogetherStatus, atMs: number): void {
  job.wire.status = status;
  job.wire.updated_at = formatTime(atMs);
}

function endJob(job: TogetherJob, status: TogetherStatus, atMs: number): void {
  setStatus(job, status, atMs);
  job.endedMs = atMs;
  job.scheduled = [];
}

export function advanceTogetherJobs(account: AccountState, nowMs: number): void {
  for (const job of account.together.jobs.toReversed()) runDueEvents(job, account.settings.polls, nowMs);
}

type NewEvent = Pick<Together.FinetuneEvent, 'type' | 'message'> & Partial<Together.FinetuneEvent> & { readonly atMs: number };

/** The published document demands fields that are empty for most events. */
export function addTogetherEvent(job: TogetherJob, { atMs, ...event }: NewEvent): void {
  const places = { wandb_url: '', checkpoint_path: '', model_path: '', hash: '' };
  const empty = { param_count: 0, token_count: 0, total_steps: 0, step: 0, training_offset: 0, ...places };
  job.events.push({
    object: 'fine-tune-event',
    created_at: formatTime(atMs),
    level: 'info',
    ...empty,
    ...event,
  });
}

/** Parts of a job's time at which its status changes. */
const [queued, started, compressing, uploading] = [0.1, 0.25, 0.9, 0.95];
const mostReported = 500;

/** Schedules all that is going to happen to a new job. */
export function scheduleTogetherJob(account: AccountState, job: TogetherJob): void {
  const at = (part: number, happen: (atMs: number) => void): ScheduledEvent => ({ offsetMs: Math.ceil(part * job.durationMs), happen });
  const say = (part: number, status: TogetherStatus, event: Omit<NewEvent, 'atMs'>): ScheduledEvent =>
    at(part, (atMs) => {
      setStatus(job, status, atMs);
      if (status === 'running') job.wire.started_at ??= formatTime(atMs);
      addTogetherEvent(job, { ...event, atMs });
    });
  const every = Math.ceil(job.steps / mostReported);
  const reported = Array.from({ length: job.steps }, (_, i) => i + 1).filter((step) => step % every === 0 || step === job.steps);
  job.scheduled = [
    say(queued, 'queued', { type: 'job_start', message: 'Job started at the scheduler' }),
    say(started, 'running', { type: 'training_start', message: 'Training started', total_steps: job.steps }),
    ...reported.map((step) => at(started + ((compressing - started) * step) / (job.steps + 1), (atMs) => endStep(job, step, atMs))),
    at(0.5, (atMs) => restartJob(account, job, atMs)),
    say(compressing, 'compressing', { type: 'model_compressing', message: 'Compressing the model' }),
    say(uploading, 'uploading', { type: 'model_uploading', message: 'Uploading the model' }),
    at(1, (atMs) => finishJob(account, job, atMs)),
  ].sort((a, b) => a.offsetMs - b.offsetMs);
}

function endStep(job: TogetherJob, step: number, atMs: number): void {
  const noise = 1 + 0.1 * (toUniform(toStreamKey(job.wire.random_seed ?? 42, 'train'), step) - 0.5);
  const progress = step / job.steps;
  const loss = Number(((0.2 + 2 * Math.exp(-3 * progress)) * noise).toFixed(5));
  const epoch = Number((progress * (job.wire.n_epochs ?? 1)).toFixed(4));
  const rate = (job.wire.learning_rate ?? 1e-5) * (1 - progress);
  job.metrics.push({ 'train/loss': loss, 'train/global_step': step, 'train/epoch': epoch, 'train/learning_rate': rate });
  const evals = job.hasValidation ? (job.wire.n_evals ?? 0) : 0;
  const isEval = evals > 0 && Math.floor((step * evals) / job.steps) > Math.floor(((step - 1) * evals) / job.steps);
  if (isEval) job.metrics.push({ 'eval/loss': Number((loss * 1.05).toFixed(5)), 'eval/global_step': step });
  const checkpoints = job.wire.n_checkpoints ?? 1;
  if (Math.floor((step * checkpoints) / job.steps) === Math.floor(((step - 1) * checkpoints) / job.steps)) return;
  const about = { step, created_at: formatTime(atMs), path: `${job.wire.id}/checkpoint-${step}` };
  const isFull = job.wire.training_type?.type === 'Full';
  job.checkpoints.push({
    ...about,
    checkpoint_type: isFull ? 'Intermediate' : 'Intermediate LoRA',
    checkpoint: isFull ? 'model' : 'adapter',
  });
}

/** The service itself starts a job anew, under another identifier, and gives the money back. */
function restartJob(account: AccountState, job: TogetherJob, atMs: number): void {
  if (!account.settings.restartJobs || job.isRestart) return;
  const again: TogetherJob = {
    ...job,
    wire: { ...job.wire, id: `ft-${account.nextHex(8)}-${account.nextHex(4)}`, status: 'pending', created_at: formatTime(atMs) },
    createdMs: atMs,
    polled: 0,
    events: [],
    checkpoints: [],
    metrics: [],
    isRestart: true,
  };
  addTogetherEvent(job, { atMs, type: 'job_restarted', message: `The job was restarted as ${again.wire.id}` });
  addTogetherEvent(job, { atMs, type: 'refund', message: 'The job was refunded' });
  endJob(job, 'error', atMs);
  account.together.jobs.unshift(again);
  scheduleTogetherJob(account, again);
  addTogetherEvent(again, { atMs, type: 'job_pending', message: `Restart of ${job.wire.id}` });
}

function finishJob(account: AccountState, job: TogetherJob, atMs: number): void {
  const { jobError } = account.settings;
  if (jobError !== null) {
    const isUser = jobError.code.startsWith('invalid');
    addTogetherEvent(job, { atMs, type: 'job_error', level: 'error', message: jobError.message });
    return endJob(job, isUser ? 'user_error' : 'error', atMs);
  }
  const { model, suffix, id } = job.wire;
  const name = `sandbox/${model!.split('/').at(-1)!}${suffix === undefined ? '' : `-${suffix}`}-${id.slice(3, 11)}`;
  const base = account.together.models.get(model!)?.base ?? model!;
  account.together.models.set(name, { base, createdMs: atMs, job: id, examples: job.training.examples });
  const price = Math.round(job.usd * nanoDollars);
  Object.assign(job.wire, { model_output_name: name, token_count: job.training.tokens * (job.wire.n_epochs ?? 1), total_price: price });
  addTogetherEvent(job, { atMs, type: 'job_complete', message: 'Job finished', model_path: `s3://sandbox/${name}` });
  endJob(job, 'completed', atMs);
}

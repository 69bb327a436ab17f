import { toSeconds } from '../clock.ts';
import { getPage, getParam, refuse } from '../http.ts';
import type { SandboxContext } from '../service.ts';
import { createJob } from './create-job.ts';
import { addEvent, advanceJob } from './job-life.ts';
import type { Job, JobStatus, WireJob } from './state.ts';

/** A job as the service writes it. */
export function formatJob({ wire, status, dialect, createdMs, pausedMs, durationMs }: Job): WireJob {
  const finish = status === 'running' ? toSeconds(createdMs + pausedMs + durationMs) : null;
  return { ...wire, status: dialect.statusWords[status] ?? status, estimated_finish: finish };
}

export async function answerCreation(context: SandboxContext): Promise<Response> {
  return context.json(formatJob(await createJob(context)), context.var.dialect.createdStatus);
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

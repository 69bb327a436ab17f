import { refuse, toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { createJob } from './create-job.ts';
import { addEvent, advance } from './life-cycle.ts';
import { toPage } from './page.ts';
import { toWireJob } from './wire-job.ts';
import type { Job, ServiceAccount } from './service-account.ts';

export function create(call: Call): Answer {
  return toAnswer(toWireJob(createJob(call)), call.dialect.id === 'azure' ? 201 : 200);
}

export function list({ account, nowMs, query, dialect, pageSize }: Call): Answer {
  const isWanted = toMetadataFilter(query);
  const listed = account.jobs.filter((job) => job.createdMs <= nowMs - account.settings.listLagMs && job.dialect.id === dialect.id);
  for (const job of listed) advance(account, job, nowMs);
  const { data, has_more } = toPage(listed.filter(isWanted), { query, usual: 20, most: pageSize });
  return toAnswer({ object: 'list', data: data.map(toWireJob), has_more });
}

/** `metadata[k]=v`, each of them; `metadata=null`: those without any. */
function toMetadataFilter(query: URLSearchParams): (job: Job) => boolean {
  const pairs: [string, string][] = [];
  for (const [name, value] of query) {
    const key = /^metadata\[(.*)\]$/s.exec(name)?.[1];
    if (key !== undefined) pairs.push([key, value]);
  }
  const all = query.get('metadata');
  if (all !== null && all !== 'null') refuse(400, `Invalid 'metadata': expected metadata[key]=value, or null.`, { param: 'metadata' });
  return ({ metadata }) => (all === null || metadata === null) && pairs.every(([key, value]) => metadata?.[key] === value);
}

export function retrieve(call: Call): Answer {
  const job = findJob(call);
  if (job.status !== 'paused') job.looks++;
  advance(call.account, job, call.nowMs);
  return toAnswer(toWireJob(job));
}

/** The job that the path names, as it is now. */
export function findJob({ account, params, nowMs }: Pick<Call, 'account' | 'params' | 'nowMs'>): Job {
  const id = params['id']!;
  const job = account.jobs.find((one) => one.id === id);
  if (job === undefined) refuse(404, `Could not find fine tune: ${id}`, { param: 'fine_tune_id', code: 'fine_tune_not_found' });
  advance(account, job, nowMs);
  return job;
}

export function cancel(call: Call): Answer {
  const job = findJob(call);
  if (isEnded(job)) refuse(400, `Job ${job.id} has already ended: its status is ${job.status}.`);
  job.status = 'cancelled';
  job.finishedMs = call.nowMs;
  job.moments = [];
  addEvent(call.account, job, call.nowMs, { message: 'Fine-tuning job cancelled' });
  return toAnswer(toWireJob(job));
}

export function pause(call: Call): Answer {
  const job = findJob(call);
  if (job.status !== 'running') refuse(400, `Job ${job.id} cannot be paused: its status is ${job.status}.`);
  job.status = 'paused';
  job.pausedAtMs = call.nowMs;
  addEvent(call.account, job, call.nowMs, { message: 'Fine-tuning job paused' });
  return toAnswer(toWireJob(job));
}

export function resume(call: Call): Answer {
  const job = findJob(call);
  if (job.status !== 'paused') refuse(400, `Job ${job.id} cannot be resumed: its status is ${job.status}.`);
  job.status = 'running';
  job.pausedMs += call.nowMs - (job.pausedAtMs ?? call.nowMs);
  job.pausedAtMs = null;
  addEvent(call.account, job, call.nowMs, { message: 'Fine-tuning job resumed' });
  return toAnswer(toWireJob(job));
}

function isEnded({ status }: Job): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** Lets everything happen that is due. */
export function advanceAll(account: ServiceAccount, nowMs: number): void {
  for (const job of account.jobs) advance(account, job, nowMs);
}

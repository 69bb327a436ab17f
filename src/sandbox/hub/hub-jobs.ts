import { toAnswer, type Answer } from '../answer.ts';
import { checkNamespace } from './create-hub-job.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import { advanceHubJobs, endJob, settleTrainings } from './hub-job-life.ts';
import { isEnded, type HubJob } from './hub-job.ts';
import { toHubPage } from './hub-page.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { toWireHubJob } from './wire-hub-job.ts';

/** The account's jobs, newest first: those in one of the stages, with all of the labels. */
export async function listHubJobs(call: HubCall): Promise<Answer> {
  const { account, query, nowMs } = call;
  checkNamespace(call);
  const stray = [...query.keys()].find((name) => !['stage', 'label', 'limit', 'cursor'].includes(name));
  if (stray !== undefined) refuseHub(400, 'Invalid input', { more: { message: `✖ Unrecognized key: ${stray}` } });
  await advance(call);
  const stages = query.getAll('stage');
  const labels = query.getAll('label').map(toLabel);
  const items = account.hub.jobs.filter(
    (job) =>
      job.createdMs <= nowMs - account.settings.listLagMs &&
      (stages.length === 0 || stages.includes(job.stage)) &&
      labels.every(([key, value]) => job.labels[key] === value),
  );
  return toHubPage(call, { items: items.map((job) => toWireHubJob(job, account.name, nowMs)), toCursor: ({ id }) => id });
}

function toLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  return at < 0
    ? refuseHub(400, 'Invalid input', { more: { message: '✖ label: expected key=value' } })
    : [text.slice(0, at), text.slice(at + 1)];
}

async function advance({ account, service, nowMs }: HubCall): Promise<void> {
  advanceHubJobs({ account, service }, nowMs);
  await settleTrainings({ account, service });
}

/** The job that the path names, as it is now. */
export async function findHubJob(call: HubCall): Promise<HubJob> {
  checkNamespace(call);
  const job = call.account.hub.jobs.find(({ id }) => id === call.params['id']);
  if (job === undefined) return refuseHub(404, 'Job not found', { code: 'JobNotFound' });
  await advance(call);
  return job;
}

export async function readHubJob(call: HubCall): Promise<Answer> {
  const job = call.account.hub.jobs.find(({ id }) => id === call.params['id']);
  if (job !== undefined) job.looks++;
  return toJobAnswer(call, await findHubJob(call));
}

/** Ends a job; one that has ended already stays as it is. */
export async function cancelHubJob(call: HubCall): Promise<Answer> {
  const job = await findHubJob(call);
  if (!isEnded(job)) endJob(call, job, { stage: 'CANCELED', atMs: call.nowMs, message: null });
  return toJobAnswer(call, job);
}

/** Replaces all labels. */
export async function setHubLabels(call: HubCall): Promise<Answer> {
  const { labels } = parseHubBody<{ labels: Readonly<Record<string, string>> }>(call, 'HubLabels');
  const job = await findHubJob(call);
  job.labels = labels;
  return toJobAnswer(call, job);
}

function toJobAnswer({ account, nowMs }: HubCall, job: HubJob): Answer {
  return toAnswer(toWireHubJob(job, account.name, nowMs));
}

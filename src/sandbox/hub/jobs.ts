import { z } from 'zod';
import { formatTime } from '../clock.ts';
import { getParam, parseValue } from '../http.ts';
import type { AccountState, SandboxContext, Settings } from '../service.ts';
import { findMinutePrice } from './hardware.ts';
import { answerPage, readHubBody, refuseHub, refuseInput } from './http.ts';
import { advanceHubJobs, awaitTrainings, endJob, isEnded, scheduleJob } from './job-life.ts';
import { getAccountId } from './repo-routes.ts';
import type { HubJob } from './state.ts';
import { JobTask } from './train-model.ts';

const Label = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/);
const Labels = z.record(Label, z.union([z.literal(''), Label]));
const Texts = z.record(z.string(), z.string());

const NewJob = z
  .strictObject({
    dockerImage: z.string(),
    spaceId: z.string(),
    command: z.array(z.string()),
    arguments: z.array(z.string()),
    environment: Texts,
    secrets: Texts,
    arch: z.enum(['amd64', 'arm64']),
    timeoutSeconds: z.int().min(1).nullable(),
    attempts: z.int().min(1),
    labels: Labels,
    volumes: z.array(z.unknown()),
  })
  .partial()
  .extend({ flavor: z.string().refine((flavor) => findMinutePrice(flavor) !== null, 'Invalid option') })
  .refine((job) => (job.dockerImage === undefined) !== (job.spaceId === undefined), 'expected one of dockerImage and spaceId');

/** What the Hub says where OpenAI says otherwise. */
const refusals: Readonly<Record<NonNullable<Settings['refuse']>, readonly [status: 401 | 402 | 403 | 429 | 503, error: string]>> = {
  training_not_available: [403, 'You need a positive credit balance to run jobs'],
  model_not_available: [403, 'Your token does not have the permission to run jobs'],
  insufficient_quota: [402, 'Pre-paid credit balance is insufficient'],
  rate_limit_exceeded: [429, 'Too Many Requests'],
  invalid_api_key: [401, 'Invalid username or password.'],
  server_error: [503, 'Service Unavailable'],
};

/** Makes a job; from here on it costs. */
export async function createHubJob(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  checkNamespace(context);
  const body = await readHubBody(context, NewJob);
  if (account.settings.refuse !== null) refuseHub(...refusals[account.settings.refuse]);
  const nowMs = service.clock.nowMs();
  const asked = body.environment?.['ORCHESTRATE_JOB'];
  const job = buildHubJob(account, {
    nowMs,
    labels: body.labels ?? {},
    secrets: body.secrets ?? {},
    task: asked === undefined ? null : parseTask(asked),
    request: {
      dockerImage: body.dockerImage ?? null,
      spaceId: body.spaceId ?? null,
      command: body.command ?? null,
      arguments: body.arguments ?? [],
      environment: body.environment ?? {},
      flavor: body.flavor,
      volumes: body.volumes ?? [],
      timeoutSeconds: body.timeoutSeconds ?? null,
      attempts: body.attempts ?? 1,
    },
  });
  account.hub.jobs.unshift(job);
  const { flavor, environment } = job.request;
  account.bill.push({ kind: 'hub-job', at: formatTime(nowMs), job: job.id, flavor, labels: job.labels, environment });
  scheduleJob({ account, service }, job);
  return context.json(formatHubJob(account, job, nowMs));
}

class UnreadableTask extends Error {}

function parseTask(text: string): JobTask | string {
  try {
    return parseValue(text, JobTask, ({ message }) => {
      throw new UnreadableTask(message);
    });
  } catch (error) {
    if (error instanceof UnreadableTask) return error.message;
    throw error;
  }
}

type Asked = Pick<HubJob, 'request' | 'labels' | 'secrets' | 'task'> & { readonly nowMs: number };

function buildHubJob(account: AccountState, { nowMs, ...asked }: Asked): HubJob {
  return {
    id: account.nextHex(24),
    ...asked,
    createdMs: nowMs,
    durationMs: account.settings.jobMs,
    scheduled: [],
    polled: 0,
    pausedMs: 0,
    stop: new AbortController(),
    log: [],
    stage: 'SCHEDULING',
    message: null,
    startedMs: null,
    finishedMs: null,
    training: null,
    hasTrained: false,
  };
}

const otherAgeMs = 60_000;

/** Puts jobs of other people into the list until there are as many as the settings say. They are below all real ones and run for ever. */
export function addOtherHubJobs(account: AccountState, nowMs: number): void {
  const present = account.hub.jobs.filter(({ labels }) => labels['other'] !== undefined).length;
  const nothing = { spaceId: null, arguments: [], environment: {}, volumes: [], timeoutSeconds: null, attempts: 1 };
  const request = { ...nothing, dockerImage: 'python:3.12', command: ['sleep', 'infinity'], flavor: 'cpu-basic' };
  const createdMs = nowMs - otherAgeMs;
  for (let i = present; i < account.settings.otherJobs; i++) {
    const job = buildHubJob(account, { nowMs: createdMs, request, labels: { other: String(i) }, secrets: {}, task: null });
    account.hub.jobs.push({ ...job, stage: 'RUNNING', startedMs: createdMs });
  }
}

/** A job as the Hub writes it. */
export type WireHubJob = ReturnType<typeof formatHubJob>;

export function formatHubJob(account: AccountState, job: HubJob, nowMs: number) {
  const { createdMs, startedMs, finishedMs, stage, message } = job;
  const owner = { id: getAccountId(account), name: account.name, type: 'user' };
  const endMs = finishedMs ?? nowMs;
  const toSeconds = (ms: number): number => Math.round(ms / 1000);
  return {
    type: 'job',
    id: job.id,
    createdAt: formatTime(createdMs),
    startedAt: startedMs === null ? null : formatTime(startedMs),
    finishedAt: finishedMs === null ? null : formatTime(finishedMs),
    ...job.request,
    secrets: Object.keys(job.secrets).sort(),
    labels: job.labels,
    status: { stage, message, failureCount: stage === 'ERROR' ? 1 : 0 },
    durations: {
      schedulingSecs: toSeconds((startedMs ?? endMs) - createdMs),
      runningSecs: startedMs === null ? null : toSeconds(endMs - startedMs),
      totalSecs: toSeconds(endMs - createdMs),
    },
    owner,
    initiator: owner,
  };
}

/** Refuses the jobs of others. */
function checkNamespace(context: SandboxContext): void {
  const namespace = getParam(context, 'ns');
  if (namespace !== context.var.account.name) refuseHub(403, `You don't have the rights to run jobs in ${namespace}`);
}

async function advance({ var: { account, service } }: SandboxContext): Promise<number> {
  const nowMs = service.clock.nowMs();
  advanceHubJobs({ account, service }, nowMs);
  await awaitTrainings({ account, service });
  return nowMs;
}

/** The account's jobs, newest first: those in one of the stages, with all of the labels. */
export async function listHubJobs(context: SandboxContext): Promise<Response> {
  const { account } = context.var;
  checkNamespace(context);
  const stray = Object.keys(context.req.query()).find((name) => !['stage', 'label', 'limit', 'cursor'].includes(name));
  if (stray !== undefined) refuseInput({ message: `Unrecognized key: ${stray}` });
  const nowMs = await advance(context);
  const stages = context.req.queries('stage') ?? [];
  const labels = (context.req.queries('label') ?? []).map((text) => {
    const at = text.indexOf('=');
    return at < 0 ? refuseInput({ message: 'label: expected key=value' }) : ([text.slice(0, at), text.slice(at + 1)] as const);
  });
  const found = account.hub.jobs.filter(
    (job) =>
      job.createdMs <= nowMs - account.settings.listLagMs &&
      (stages.length === 0 || stages.includes(job.stage)) &&
      labels.every(([key, value]) => job.labels[key] === value),
  );
  return answerPage(
    context,
    found.map((job) => formatHubJob(account, job, nowMs)),
    ({ id }) => id,
  );
}

/** The job that the path names, as it is now. */
async function findHubJob(context: SandboxContext, { isPoll = false } = {}): Promise<HubJob> {
  checkNamespace(context);
  const job = context.var.account.hub.jobs.find(({ id }) => id === getParam(context, 'id'));
  if (job === undefined) return refuseHub(404, 'Job not found', { code: 'JobNotFound' });
  if (isPoll) job.polled++;
  await advance(context);
  return job;
}

function answerJob(context: SandboxContext, job: HubJob): Response {
  return context.json(formatHubJob(context.var.account, job, context.var.service.clock.nowMs()));
}

export async function readHubJob(context: SandboxContext): Promise<Response> {
  return answerJob(context, await findHubJob(context, { isPoll: true }));
}

/** Ends a job; one that has ended already stays as it is. */
export async function cancelHubJob(context: SandboxContext): Promise<Response> {
  const job = await findHubJob(context);
  const { account, service } = context.var;
  if (!isEnded(job)) endJob({ account, service }, job, { stage: 'CANCELED', atMs: service.clock.nowMs(), message: null });
  return answerJob(context, job);
}

const keepAliveMs = 30_000;
const checkMs = 200;

/** Sends a job's log from its beginning, or its last `tail` lines, and what comes while the job runs, until it ends or the client goes. */
export async function streamLogs(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const job = await findHubJob(context);
  const { tail } = context.req.query();
  let sent = tail === undefined ? 0 : Math.max(0, job.log.length - Number(tail));
  let lastMs = service.clock.nowMs();
  const gone = Promise.withResolvers<void>();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        advanceHubJobs({ account, service }, service.clock.nowMs());
        const lines = job.log.slice(sent);
        const isSilent = service.clock.nowMs() - lastMs >= keepAliveMs;
        sent += lines.length;
        if (lines.length > 0 || isSilent) {
          lastMs = service.clock.nowMs();
          return controller.enqueue(encoder.encode(lines.length === 0 ? ': keep-alive\n\n' : lines.map(formatLine).join('')));
        }
        if (isEnded(job) || service.signal.aborted) return controller.close();
        const changed = Promise.withResolvers<void>();
        account.hub.watchers.add(changed.resolve);
        const end = await Promise.race([changed.promise, service.clock.wait(checkMs), gone.promise.then(() => 'gone')]);
        account.hub.watchers.delete(changed.resolve);
        if (end === 'gone') return;
      }
    },
    cancel: () => gone.resolve(),
  });
  return context.body(stream, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
}

function formatLine({ text, atMs }: HubJob['log'][number]): string {
  return `data: ${JSON.stringify({ data: text, timestamp: formatTime(atMs) })}\n\n`;
}

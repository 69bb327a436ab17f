import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { isTerminalPhase, type Phase } from '../../src/provider/status.ts';
import { Failure } from '../../src/errors.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { parseNextLink, readPages } from '../../src/provider-kit/paging.ts';
import { openHub, parseLocation, type Hub } from '../../src/provider-kit/hub.ts';

/**
 * The stages of a job of Hugging Face Jobs. Others are unknown: `UPDATING`, `PAUSED`, `STOPPED` and `DELETING` are in the types of one
 * client alone, and no document says what they mean for a job. `COMPLETED` says that the command ended with 0, not that there is a model.
 */
export const statusMap = {
  SCHEDULING: 'queued',
  RUNNING: 'running',
  COMPLETED: 'succeeded',
  ERROR: 'failed',
  CANCELED: 'cancelled',
  DELETED: 'expired',
} as const satisfies Record<string, Phase>;

export function getPhase({ status: { stage } }: HubJob): Phase {
  return Object.hasOwn(statusMap, stage) ? statusMap[stage as keyof typeof statusMap] : 'unknown';
}

const Time = z.string().nullish();

/** The fields of a job that are read; everything but its id may be missing. */
export const HubJob = z.looseObject({
  id: z.string().min(1),
  createdAt: Time,
  startedAt: Time,
  finishedAt: Time,
  flavor: z.string().nullish(),
  labels: z.record(z.string(), z.unknown()).nullish(),
  environment: z.record(z.string(), z.unknown()).nullish(),
  timeoutSeconds: z.number().nullish(),
  status: z.looseObject({ stage: z.string(), message: z.string().nullish() }),
  durations: z
    .looseObject({ schedulingSecs: z.number().nullish(), runningSecs: z.number().nullish(), totalSecs: z.number().nullish() })
    .nullish(),
});
export type HubJob = z.infer<typeof HubJob>;

export function formatJobsPath(namespace: string, id?: string): string {
  const base = `/api/jobs/${encodeURIComponent(namespace)}`;
  return id === undefined ? base : `${base}/${encodeURIComponent(id)}`;
}

export async function readJob(hub: Hub, namespace: string, id: string): Promise<HubJob> {
  return await hub.read(HubJob, formatJobsPath(namespace, id));
}

/**
 * All jobs, or those with this label, in every stage and on all pages.
 * @throws Failure where the service does not list them to the end: a list that may lack a job proves nothing
 */
export async function listJobs(hub: Hub, namespace: string, label: readonly [string, string] | null): Promise<HubJob[]> {
  const query = label === null ? '' : `?${new URLSearchParams({ label: label.join('=') }).toString()}`;
  const call = `GET ${formatJobsPath(namespace)}`;
  const readPage = async (place: string | null) => {
    const path = place ?? `${formatJobsPath(namespace)}${query}`;
    const { json, headers } = await hub.call(call, async () => await hub.request('GET', path));
    return { items: parseAnswer(z.array(HubJob), json, call), next: parseNextPath(headers, hub, path) };
  };
  const pages = await Array.fromAsync(readPages(readPage, { call, mustBeComplete: true }));
  return pages.flat();
}

/** The path of the next page; null on the last one. @throws Failure for an address that is not of this Hub */
function parseNextPath(headers: Headers, { endpoint }: Hub, path: string): string | null {
  const link = parseNextLink(headers);
  if (link === null) return null;
  const next = URL.parse(link, `${endpoint}${path}`);
  if (next?.href.startsWith(`${endpoint}/`) === true) return next.href.slice(endpoint.length);
  throw new Failure('response-invalid', `GET ${path}: expected the address of another page, found one that is not of this Hub`);
}

/** The fields of a job's task that matter after it was created. */
const Task = z.looseObject({
  labels: z.array(z.string()).catch([]).default([]),
  maxLength: z.number().int().positive().catch(512).default(512),
  dataset: z.looseObject({ repo: z.string() }).nullable().catch(null).default(null),
  output: z.looseObject({ repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/) }),
});
export type Task = z.infer<typeof Task>;

/** The task of a job, which the service repeats in its answers; null where it does not. */
export function parseTask({ environment }: HubJob): Task | null {
  const text = environment?.['ORCHESTRATE_JOB'];
  if (typeof text !== 'string') return null;
  try {
    return Task.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * Stops a job for good; one that has ended is left alone. The answer says little: the job's stage afterwards decides.
 * @throws Failure where the job goes on although it was asked to stop and the service refused
 */
export async function cancel(job: JobRef, context: Context): Promise<void> {
  const namespace = parseLocation(job, context);
  const hub = openHub(context);
  const hasEnded = async (): Promise<boolean> => isTerminalPhase(getPhase(await readJob(hub, namespace, job.id)));
  if (await hasEnded()) return;
  const path = `${formatJobsPath(namespace, job.id)}/cancel`;
  try {
    await hub.call(`POST ${path}`, async () => await hub.request('POST', path));
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(await hasEnded())) throw error;
  }
}

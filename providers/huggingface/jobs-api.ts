import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Hub } from './client.ts';

const Time = z.string().nullish();

/** What is read of a job of the service; everything but its id may be missing. */
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

/** @throws Failure `response-invalid` for an answer of another shape */
export function parseAnswer<T>(schema: z.ZodType<T>, json: unknown, call: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Failure(
    'response-invalid',
    `${call}: expected an answer of the service, found ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'another'}`,
  );
}

export function toJobsPath(namespace: string, id?: string): string {
  const base = `/api/jobs/${encodeURIComponent(namespace)}`;
  return id === undefined ? base : `${base}/${encodeURIComponent(id)}`;
}

export async function readJob(hub: Hub, namespace: string, id: string): Promise<HubJob> {
  const path = toJobsPath(namespace, id);
  return await hub.call(`GET ${path}`, async () => parseAnswer(HubJob, (await hub.request('GET', path)).json, `GET ${path}`));
}

/** More pages than any account has jobs of one run. */
const mostPages = 1000;

/**
 * All jobs, or those with this label, in every stage and on all pages.
 * @throws Failure where the service does not list them to the end: a list that may lack a job proves nothing
 */
export async function listJobs(hub: Hub, namespace: string, label: readonly [string, string] | null): Promise<HubJob[]> {
  const query = label === null ? '' : `?${new URLSearchParams({ label: label.join('=') }).toString()}`;
  const call = `GET ${toJobsPath(namespace)}`;
  const jobs = new Map<string, HubJob>();
  let path: string | null = `${toJobsPath(namespace)}${query}`;
  for (let pages = 0; path !== null; pages++) {
    if (pages === mostPages) throw new Failure('response-invalid', `${call}: expected at most ${mostPages} pages of jobs, found more`);
    const here: string = path;
    const { json, headers } = await hub.call(call, async () => await hub.request('GET', here));
    for (const job of parseAnswer(z.array(HubJob), json, call)) jobs.set(job.id, job);
    path = toNextPath(headers, { hub, call, here });
  }
  return [...jobs.values()];
}

/** The address after `rel="next"` in a Link header, as a path of this Hub; null on the last page. */
function toNextPath(headers: Headers, { hub, call, here }: { hub: Hub; call: string; here: string }): string | null {
  const link = headers
    .get('link')
    ?.split(/,(?=\s*<)/)
    .find((one) => /;\s*rel="?next"?/.test(one));
  if (link === undefined) return null;
  const next = URL.parse(/<([^>]*)>/.exec(link)?.[1] ?? '', `${hub.endpoint}${here}`);
  if (next !== null && next.href.startsWith(`${hub.endpoint}/`)) {
    const path = next.href.slice(hub.endpoint.length);
    if (path !== here) return path;
  }
  throw new Failure('response-invalid', `${call}: expected the address of another page, found one that is none of this Hub`);
}

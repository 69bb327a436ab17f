/**
 * A service that fine-tunes nothing and counts what it is asked to pay for. A process of its own, so that it outlives the clients that
 * are killed. Each trial is a service for itself below `/TRIAL`; `PUT /TRIAL` begins one with a plan, `GET /TRIAL` tells all about it.
 * Prints its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Plan, RequestKind } from './plans.ts';
import type { Account } from './service.ts';

interface Job {
  readonly id: string;
  readonly key: string;
  readonly attempt: number;
  readonly createdAt: string;
  status: 'queued' | 'running' | 'succeeded' | 'cancelled';
  looks: number;
}

interface Service {
  readonly bill: { readonly at: string; readonly key: string; readonly attempt: number; readonly job: string }[];
  readonly jobs: Job[];
  readonly plan: Plan;
  readonly uploads: Map<string, string>;
  readonly used: Partial<Record<RequestKind, number>>;
}

const pageSize = 2;
const otherJobs = 5;
const services = new Map<string, Service>();

function createService(plan: Plan): Service {
  const createdAt = new Date(Date.now() - 60_000).toISOString();
  const toNoise = (_: unknown, i: number): Job => ({
    id: `noise-${i}`,
    key: `other-${i}`,
    attempt: 1,
    createdAt,
    status: 'running',
    looks: 0,
  });
  return { plan, bill: [], uploads: new Map(), used: {}, jobs: Array.from({ length: otherJobs }, toNoise) };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Call {
  readonly kind: RequestKind;
  /** What the request does to the service. */
  commit(): Answer;
}

interface CreateBody {
  readonly key: string;
  readonly attempt: number;
  readonly upload: string;
}

function toCall(
  service: Service,
  method: string,
  [name, id, verb]: readonly string[],
  { query, body }: { query: URLSearchParams; body: unknown },
): Call {
  const route = `${method} ${name}${id === undefined ? '' : '/ID'}${verb === undefined ? '' : `/${verb}`}`;
  switch (route) {
    case 'POST uploads':
      return { kind: 'upload', commit: () => upload(service, (body as { name: string }).name) };
    case 'DELETE uploads/ID':
      return { kind: 'fence', commit: () => (service.uploads.delete(id!), { status: 200, body: { deleted: true } }) };
    case 'POST jobs':
      return { kind: 'create', commit: () => create(service, body as CreateBody) };
    case 'GET jobs':
      return { kind: 'list', commit: () => list(service, query.get('after')) };
    case 'GET jobs/ID':
      return { kind: 'get', commit: () => look(service, id!) };
    case 'POST jobs/ID/cancel':
      return { kind: 'cancel', commit: () => cancel(service, id!) };
    default:
      throw new Error(`no such route: ${route}`);
  }
}

function upload({ uploads }: Service, name: string): Answer {
  const id = `upload-${uploads.size + 1}-${Math.random().toString(36).slice(2, 8)}`;
  uploads.set(id, name);
  return { status: 201, body: { id, name } };
}

function create(service: Service, { key, attempt, upload: named }: CreateBody): Answer {
  if (!service.uploads.has(named)) {
    return { status: 400, body: { error: { code: 'no_such_upload', message: `there is no upload ${named}` } } };
  }
  const at = new Date().toISOString();
  const job: Job = { id: `job-${service.bill.length + 1}`, key, attempt, createdAt: at, status: 'queued', looks: 0 };
  service.jobs.unshift(job);
  service.bill.push({ at, key, attempt, job: job.id });
  return { status: 201, body: job };
}

/** Newest first, two a page, of all keys: who looks for a key has to read to the end. */
function list({ jobs, plan }: Service, after: string | null): Answer {
  const until = Date.now() - (plan.listLagMs ?? 0);
  const listed = jobs.filter(({ createdAt }) => Date.parse(createdAt) <= until);
  const begin = after === null ? 0 : listed.findIndex(({ id }) => id === after) + 1;
  const data = listed.slice(begin, begin + pageSize);
  return { status: 200, body: { data, hasMore: begin + pageSize < listed.length } };
}

function look({ jobs, plan }: Service, id: string): Answer {
  const job = jobs.find((one) => one.id === id);
  if (job === undefined) return { status: 404, body: { error: { code: 'no_such_job', message: `there is no job ${id}` } } };
  job.looks++;
  if (job.status !== 'cancelled') job.status = job.looks >= (plan.looks ?? 3) ? 'succeeded' : job.looks > 1 ? 'running' : 'queued';
  return { status: 200, body: job };
}

function cancel({ jobs }: Service, id: string): Answer {
  const job = jobs.find((one) => one.id === id);
  if (job === undefined) return { status: 404, body: { error: { code: 'no_such_job', message: `there is no job ${id}` } } };
  if (job.status !== 'succeeded') job.status = 'cancelled';
  return { status: 200, body: job };
}

function takeFault({ plan, used }: Service, kind: RequestKind): Fault | null {
  const index = used[kind] ?? 0;
  used[kind] = index + 1;
  return plan.faults?.[kind]?.[index] ?? null;
}

function send(response: ServerResponse, { status, body }: Answer, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function sendHtml(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>please log in</body></html>');
}

async function answer(call: Call, fault: Fault | null, response: ServerResponse): Promise<void> {
  switch (fault?.type) {
    case undefined:
    case 'ok':
      return send(response, call.commit());
    case 'drop-after':
      call.commit();
      return void response.destroy();
    case 'drop-before':
      return void response.destroy();
    case '500-after':
      call.commit();
      return send(response, { status: 500, body: { error: { message: 'planned' } } });
    case '500-before':
      return send(response, { status: 500, body: { error: { message: 'planned' } } });
    case '429':
      return send(response, { status: 429, body: { error: { message: 'planned' } } }, { 'retry-after': '1' });
    case 'hang-after':
      return void call.commit();
    case 'late':
      await sleep(fault.ms);
      return void call.commit();
    case 'cut': {
      const { status, body } = call.commit();
      const text = JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': String(text.length) });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
      return;
    }
    case 'html':
      call.commit();
      return sendHtml(response);
    case 'html-before':
      return sendHtml(response);
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://stand-in');
  const [trial, ...path] = url.pathname.slice(1).split('/');
  const body = request.method === 'POST' || request.method === 'PUT' ? await json(request) : null;
  if (path.length === 0 && request.method === 'PUT') {
    services.set(trial!, createService(body as Plan));
    return send(response, { status: 200, body: {} });
  }
  const service = services.get(trial!);
  if (service === undefined) return send(response, { status: 404, body: { error: { message: 'no such trial' } } });
  if (path.length === 0) {
    const { bill, jobs } = service;
    return send(response, { status: 200, body: { bill, jobs } satisfies Account });
  }
  const call = toCall(service, request.method!, path, { query: url.searchParams, body });
  const fault = takeFault(service, call.kind);
  await answer(call, fault, response);
}

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
// Ends with the harness, and not with the programs that the harness kills.
process.stdin.on('end', () => process.exit()).resume();

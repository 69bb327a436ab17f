import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { OpenAICursor } from '../../../providers/openai-compatible/observe.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { configs, createContext, createdAt, providers, type ServiceId } from './fixture.ts';

type Wire = Record<string, unknown>;

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body; null where it is no JSON. */
  readonly json: Readonly<Wire> | null;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is where it is a text, else as JSON. */
  readonly body: unknown;
}

export interface Service extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly requests: ReceivedRequest[];
  /** What contexts were asked to wait for, in ms. */
  readonly waits: number[];
  /** A context whose service this is; its clock stands still, and `wait` only notes. */
  createContext(change?: Partial<Attempt>): Attempt;
  getBaseUrl(id: ServiceId): string;
}

/** A loopback server whose answers a test makes up; `null` breaks the connection. */
export async function startService(answer: (request: ReceivedRequest) => Promise<Answer | null> | Answer | null): Promise<Service> {
  const requests: ReceivedRequest[] = [];
  const waits: number[] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { method = '', url = '', headers } = incoming;
      const { pathname: path, searchParams: query } = new URL(url, 'http://service');
      const body = await buffer(incoming);
      const request = { method, path, query, headers, body, json: parseJson(body.toString()) };
      requests.push(request);
      const given = await answer(request);
      if (given === null) return outgoing.destroy();
      const text = typeof given.body === 'string' ? given.body : JSON.stringify(given.body);
      return outgoing.writeHead(given.status ?? 200, { 'content-type': 'application/json', ...given.headers }).end(text);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const workDir = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const wait = async (ms: number): Promise<void> => await Promise.resolve(void waits.push(ms));
  const open = (change: Partial<Attempt> = {}): Attempt => createContext(url, { workDir, wait, ...change });
  return {
    url,
    requests,
    waits,
    createContext: open,
    getBaseUrl: (id) => configs[id].baseUrl(open()),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(workDir, { recursive: true });
    },
  };
}

/** The answer of another server, by this address, to the same request; null where it breaks the connection. */
export async function forward(url: string, { method, query, headers, body }: ReceivedRequest): Promise<(Answer & { body: string }) | null> {
  const { authorization = '', 'content-type': type = '' } = headers;
  const init = { method, headers: { authorization, 'content-type': type }, ...(body.length === 0 ? {} : { body: new Uint8Array(body) }) };
  try {
    const answer = await fetch(`${url}?${query.toString()}`, init);
    const contentType = answer.headers.get('content-type');
    return { status: answer.status, headers: contentType === null ? {} : { 'content-type': contentType }, body: await answer.text() };
  } catch {
    return null;
  }
}

function parseJson(text: string): Wire | null {
  try {
    return JSON.parse(text) as Wire;
  } catch {
    return null;
  }
}

/** What a service says about one job; tests change it between looks. */
export interface JobState {
  job: Wire;
  /** Newest first. */
  events: Wire[];
  checkpoints: Wire[];
  /** By id of a file. */
  files: Record<string, string>;
  pageSize: number;
  ignoresAfter: boolean;
  /** Called after a page of events was made up, before it is sent. */
  afterPage(): void;
}

export interface JobFixture extends AsyncDisposable {
  readonly state: JobState;
  readonly service: Service;
  readonly ref: JobRef;
  /** One look, with everything stored in between as the core does it. */
  look(cursor?: OpenAICursor | null): Promise<Observation<OpenAICursor>>;
}

/** A service with one job. */
export async function startJob(job: Wire = {}, id: ServiceId = 'openai'): Promise<JobFixture> {
  const state: JobState = {
    job: { id: 'ftjob-1', status: 'running', model: 'gpt-4.1-mini-2025-04-14', created_at: createdAt, ...job },
    events: [],
    checkpoints: [],
    files: {},
    pageSize: 100,
    ignoresAfter: false,
    afterPage: () => {},
  };
  const toPage = (items: readonly Wire[], after: string | null): unknown => {
    const begin = state.ignoresAfter ? 0 : items.findIndex((item) => item['id'] === after) + 1;
    const data = items.slice(begin, begin + state.pageSize);
    return { data, has_more: begin + data.length < items.length };
  };
  const service = await startService(({ path, query }) => {
    const file = /\/files\/([^/]+)\/content$/.exec(path)?.[1];
    if (file !== undefined)
      return file in state.files ? { body: state.files[file] } : { status: 404, body: { error: { message: 'no such file' } } };
    if (path.endsWith('/checkpoints')) return { body: toPage(state.checkpoints, query.get('after')) };
    if (!path.endsWith('/events')) return { body: state.job };
    const page = toPage(state.events, query.get('after'));
    state.afterPage();
    return { body: page };
  });
  const ref = toJobRef(service, id);
  return {
    state,
    service,
    ref,
    look: async (cursor = null) => {
      const stored = JSON.parse(JSON.stringify(cursor)) as OpenAICursor | null;
      return (await providers[id].training.observe(ref, stored, service.createContext())) as Observation<OpenAICursor>;
    },
    [Symbol.asyncDispose]: async () => await service[Symbol.asyncDispose](),
  };
}

/** The job `ftjob-1` of this service. */
export function toJobRef(service: Service, id: ServiceId = 'openai'): JobRef {
  return { provider: id, id: 'ftjob-1', location: service.getBaseUrl(id), attempt: 1, createdAt: '2026-11-22T12:00:00.000Z', url: null };
}

/** An event of a step, so many seconds after the job was created. */
export function toStepEvent(step: number, seconds: number, data: Wire = { train_loss: 1 / step }): Wire {
  return {
    id: `ftevent-${step}`,
    created_at: createdAt + seconds,
    level: 'info',
    message: `Step ${step}/20: training loss=0.5`,
    type: 'metrics',
    data: { step, total_steps: 20, ...data },
  };
}

import { openaiDialect } from '../../../providers/openai/openai.ts';
import { observe } from '../../../providers/openai/observe.ts';
import type { OpenAICursor } from '../../../providers/openai/cursor.ts';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { createdAt, startAnsweringServer, type AnsweringServer } from './answering-server.ts';

type Wire = Record<string, unknown>;

/** What a service tells of one job; tests change it between looks. */
export interface AnsweredJob {
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

export interface AnsweredFixture extends AsyncDisposable {
  readonly told: AnsweredJob;
  readonly server: AnsweringServer;
  readonly ref: JobRef;
  /** One look, with everything stored in between as the core does it. */
  look(cursor?: OpenAICursor | null): Promise<Observation<OpenAICursor>>;
}

/** A service with one job. */
export async function createAnsweredFixture(job: Wire = {}, dialect: Dialect = openaiDialect): Promise<AnsweredFixture> {
  const told: AnsweredJob = {
    job: { id: 'ftjob-1', status: 'running', model: 'gpt-4.1-mini-2025-04-14', created_at: createdAt, ...job },
    events: [],
    checkpoints: [],
    files: {},
    pageSize: 100,
    ignoresAfter: false,
    afterPage: () => {},
  };
  const toPage = (items: readonly Wire[], after: string | null): unknown => {
    const begin = told.ignoresAfter ? 0 : items.findIndex(({ id }) => id === after) + 1;
    const data = items.slice(begin, begin + told.pageSize);
    return { data, has_more: begin + data.length < items.length };
  };
  const server = await startAnsweringServer(({ path, query }) => {
    const file = /\/files\/([^/]+)\/content$/.exec(path)?.[1];
    if (file !== undefined)
      return file in told.files ? { body: told.files[file] } : { status: 404, body: { error: { message: 'no such file' } } };
    if (path.endsWith('/checkpoints')) return { body: toPage(told.checkpoints, query.get('after')) };
    if (!path.endsWith('/events')) return { body: told.job };
    const page = toPage(told.events, query.get('after'));
    told.afterPage();
    return { body: page };
  });
  const ref = {
    provider: dialect.id,
    id: 'ftjob-1',
    location: server.getBaseUrl(dialect),
    attempt: 1,
    createdAt: '2026-11-22T12:00:00.000Z',
    url: null,
  };
  return {
    told,
    server,
    ref,
    look: async (cursor = null) => {
      const stored = JSON.parse(JSON.stringify(cursor)) as OpenAICursor | null;
      return await observe(dialect, { job: ref, cursor: stored }, server.toContext());
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
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

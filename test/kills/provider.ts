import { defineProvider, Failure, SubmitFailure, type Provider } from '../../src/index.ts';
import type { Attempt, JobRef, Observation } from '../../src/contract/provider.ts';
import type { Phase } from '../../src/contract/status.ts';

interface JobBody {
  readonly id: string;
  readonly key: string;
  readonly attempt: number;
  readonly createdAt: string;
  readonly status: string;
}

interface Place {
  /** Where the stand-in's service is. */
  readonly url: string;
  /** A created job is listed within so many ms. */
  readonly settleMs: number;
  /** A request without an answer is given up after so many ms. */
  readonly timeoutMs: number;
}

const words: Readonly<Record<string, Phase>> = { queued: 'queued', running: 'running', succeeded: 'succeeded', cancelled: 'cancelled' };

/** What came of one request: an answer of the service's own form, or the failure. */
type Reply = { readonly status: number; readonly body: unknown } | { readonly status: null; readonly failure: Failure };

/** A provider of the stand-in: as small as one of a real service can be. */
export function createStandInProvider({ url, settleMs, timeoutMs }: Place): Provider {
  async function request(method: string, path: string, c: { readonly signal: AbortSignal }, body?: unknown): Promise<Reply> {
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.any([c.signal, AbortSignal.timeout(timeoutMs)]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: JSON.parse(await response.text()) };
    } catch (error) {
      return { status: null, failure: new Failure('service-unavailable', `${method} ${path}: no answer`, { error }) };
    }
  }

  async function read(method: string, path: string, c: Attempt, body?: unknown): Promise<unknown> {
    const reply = await request(method, path, c, body);
    if (reply.status === null) throw reply.failure;
    if (reply.status >= 300) throw new Failure('service-unavailable', `${method} ${path}: status ${reply.status}`);
    return reply.body;
  }

  const toJobRef = ({ id, attempt, createdAt }: JobBody): JobRef => ({
    provider: 'stand-in',
    id,
    place: url,
    attempt,
    createdAt,
    url: null,
  });

  return defineProvider({
    id: 'stand-in',
    words,
    settleMs,
    onUncertain: 'retry',
    translate: ({ spec }) => ({
      request: { model: spec.model.kind === 'service' ? spec.model.name : '', training: spec.training },
      notes: Object.entries(spec.training).map(([name, value]) => ({ type: 'sent', field: `training.${name}`, value }) as const),
    }),
    async prepare(_request: object, c: Attempt) {
      let rows = 0;
      for await (const row of c.readRows('train')) rows += row.text === '' ? 0 : 1;
      const { id } = (await read('POST', '/uploads', c, { name: `${c.key}.${c.attempt}`, rows })) as { id: string };
      return { upload: id };
    },
    bind: (body: object, { upload }: { upload: string }, key: string, attempt: number) => ({ ...body, upload, key, attempt }),
    async create(wire: object, c: Attempt) {
      const reply = await request('POST', '/jobs', c, wire);
      if (reply.status === null) throw new SubmitFailure('unknown', reply.failure);
      const failure = new Failure('service-unavailable', `POST /jobs: status ${reply.status}`);
      if (reply.status === 429) throw new SubmitFailure('limited', failure);
      if (reply.status === 400) throw new SubmitFailure('refused', failure);
      if (reply.status !== 201) throw new SubmitFailure('unknown', failure);
      return toJobRef(reply.body as JobBody);
    },
    async find(_request: object, _prepared: readonly { upload: string }[], c: Attempt) {
      const found: JobBody[] = [];
      for (let after = ''; ;) {
        const page = (await read('GET', `/jobs${after}`, c)) as { data: JobBody[]; hasMore: boolean };
        found.push(...page.data);
        if (!page.hasMore) break;
        after = `?after=${page.data.at(-1)!.id}`;
      }
      return found.filter(({ key }) => key === c.key).map(toJobRef);
    },
    async fence({ upload }: { upload: string }, c: Attempt) {
      await read('DELETE', `/uploads/${upload}`, c);
    },
    async observe(job: JobRef, _cursor: null, c: Attempt): Promise<Observation<null>> {
      const { id, status } = (await read('GET', `/jobs/${job.id}`, c)) as JobBody;
      const model = { kind: 'folder', identity: id, path: `/${id}`, labels: c.facts.labels, seed: 1, maxLength: 8 } as const;
      return {
        status: { phase: words[status] ?? 'unknown', raw: status },
        progress: null,
        metrics: [],
        logs: [],
        artifacts: status === 'succeeded' ? [{ kind: 'folder', uri: `file:///${id}`, sha256: null, model }] : [],
        checkpoint: null,
        notes: [],
        failure: null,
        startedAt: null,
        finishedAt: null,
        cursor: null,
        nextInMs: 10,
      };
    },
    async cancel(job: JobRef, c: Attempt) {
      await read('POST', `/jobs/${job.id}/cancel`, c, {});
    },
    async predict(model, rows) {
      return await Promise.resolve(rows.map(({ id }) => ({ id, answer: model.labels[0]!, probabilities: null, truncated: false })));
    },
  });
}

import { createFetch, defineProvider, requestJson, SubmitFailure, toSendOutcome, type Provider } from '../../src/index.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import type { Phase } from '../../src/provider/status.ts';

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
  readonly listingDelayMs: number;
  /** A create without an answer is given up after so many ms; other requests are, after eight times as many. */
  readonly timeoutMs: number;
}

const statusMap: Readonly<Record<string, Phase>> = { queued: 'queued', running: 'running', succeeded: 'succeeded', cancelled: 'cancelled' };

/** A provider of the stand-in: as small as one of a real service can be. */
export function createStandInProvider({ url, listingDelayMs, timeoutMs }: Place): Provider {
  const patient = createFetch({ deadlineMs: 8 * timeoutMs });
  const paying = createFetch({ deadlineMs: timeoutMs });

  async function read(method: string, path: string, context: Attempt, body?: unknown): Promise<unknown> {
    const request = { url: `${url}${path}`, method, signal: context.signal, ...(body === undefined ? {} : { body }) };
    return (await requestJson(patient, request)).json;
  }

  const toJobRef = ({ id, attempt, createdAt }: JobBody): JobRef => ({
    provider: 'stand-in',
    id,
    location: url,
    attempt,
    createdAt,
    url: null,
  });

  return defineProvider({
    id: 'stand-in',
    statusMap,
    listingDelayMs,
    onUncertain: 'retry',
    training: {
      translate: ({ spec }) => ({
        request: { model: spec.model.kind === 'service' ? spec.model.name : '', training: spec.training },
        notes: Object.entries(spec.training).map(([name, value]) => ({ type: 'sent', field: `training.${name}`, value }) as const),
      }),
      async prepare(_request: object, context: Attempt) {
        let rows = 0;
        for await (const row of context.readRows('train')) rows += Object.keys(row).length === 0 ? 0 : 1;
        const { id } = (await read('POST', '/uploads', context, { name: `${context.key}.${context.attempt}`, rows })) as { id: string };
        return { upload: id };
      },
      bind: (body: object, { upload }: { upload: string }, key: string, attempt: number) => ({ ...body, upload, key, attempt }),
      async create(wire: object, context: Attempt) {
        try {
          const { json } = await requestJson(paying, { url: `${url}/jobs`, method: 'POST', body: wire, signal: context.signal });
          return toJobRef(json as JobBody);
        } catch (error) {
          const { sent, failure } = toSendOutcome(error);
          throw new SubmitFailure(sent, failure);
        }
      },
      async find(_request: object, _prepared: readonly { upload: string }[], context: Attempt) {
        const found: JobBody[] = [];
        for (let after = ''; ;) {
          const page = (await read('GET', `/jobs${after}`, context)) as { data: JobBody[]; hasMore: boolean };
          found.push(...page.data);
          if (!page.hasMore) break;
          after = `?after=${page.data.at(-1)!.id}`;
        }
        return found.filter(({ key }) => key === context.key).map(toJobRef);
      },
      async fence({ upload }: { upload: string }, context: Attempt) {
        await read('DELETE', `/uploads/${upload}`, context);
      },
      async observe(job: JobRef, _cursor: null, context: Attempt): Promise<Observation<null>> {
        const { id, status } = (await read('GET', `/jobs/${job.id}`, context)) as JobBody;
        const model = { kind: 'folder', identity: id, path: `/${id}`, labels: context.facts.labels, seed: 1, maxLength: 8 } as const;
        return {
          status: { phase: statusMap[status] ?? 'unknown', raw: status },
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
      async cancel(job: JobRef, context: Attempt) {
        await read('POST', `/jobs/${job.id}/cancel`, context, {});
      },
    },
    inference: {
      async *predict(_model, rows) {
        yield* await Promise.resolve(rows.map(({ id }) => ({ id, answer: 'yes', probabilities: null, truncated: false })));
      },
    },
  });
}

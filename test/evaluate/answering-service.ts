import type { Attempt, PredictionContext } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import type { Prediction, PredictionRow } from '../../src/provider/prediction.ts';
import { defineProvider, type Provider, type Quote } from '../../src/provider/provider.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { Workspace } from '../../src/run/workspace.ts';
import { openEmptyStore } from '../../src/store/open-store.ts';

/** A service in memory whose trainings are done at once, and whose models answer rows for money. */
export interface AnsweringService {
  readonly provider: Provider;
  /** What was asked: the model, and what it read. */
  readonly asked: { readonly model: string; readonly row: PredictionRow; readonly context: PredictionContext }[];
  /** Awaited before each answer; may throw. */
  beforeAnswer: (answered: number) => Promise<void> | void;
  /** Leaves these answers out, counted from 0. */
  readonly dumb: Set<number>;
}

export interface ServiceSettings {
  readonly id?: string;
  readonly kind?: 'endpoint' | 'folder';
  /** Dollars of a row, and of a token of an answer; null: nobody knows; `free`: answers cost nothing. */
  readonly price?: { readonly row: number; readonly token: number } | null | 'free';
  /** What a model says; `tuned` is false of the base model. */
  readonly say: (row: PredictionRow, tuned: boolean) => string | null;
  /** Of each answer; null where the service does not count. */
  readonly outputTokens?: number | null;
  /** How often each request is lost before it is answered. */
  readonly lostRequests?: number;
  readonly trainingUsd?: number;
}

/** Most tokens of an answer where nobody said how many. */
const longest = 100;

interface AnsweringRequest {
  readonly base: string;
}

export function createAnsweringService(settings: ServiceSettings): AnsweringService {
  const {
    id = 'paid',
    kind = 'endpoint',
    price = { row: 0.001, token: 0.0001 },
    outputTokens = 2,
    lostRequests = 0,
    trainingUsd = 1,
    say,
  } = settings;
  const jobs = new Map<RunKey, JobRef>();
  const toModel = (name: string, base: string): ModelRef =>
    kind === 'endpoint'
      ? { kind, identity: name, location: id, name, base }
      : { kind, identity: name, path: `/models/${name}`, labels: ['no', 'yes'], seed: 1, maxLength: 64 };

  async function* predict(model: ModelRef, rows: readonly PredictionRow[], context: PredictionContext): AsyncGenerator<Prediction> {
    for (const row of rows) {
      context.signal.throwIfAborted();
      if (context.mayAsk?.() === false) return;
      await service.beforeAnswer(service.asked.length);
      const index = service.asked.push({ model: model.identity, row, context }) - 1;
      if (service.dumb.has(index)) continue;
      const tokens = outputTokens === null ? null : { input: 10, output: outputTokens };
      const answer = say(row, model.identity.startsWith('ft:'));
      for (let lost = 0; lost < lostRequests; lost++) context.onLost?.(row.id);
      yield await Promise.resolve({ id: row.id, answer, probabilities: null, truncated: false, latencyMs: 100 + index, tokens });
    }
  }

  async function quotePredictions(_model: ModelRef, rows: readonly PredictionRow[], context: PredictionContext): Promise<Quote | null> {
    await Promise.resolve();
    context.signal.throwIfAborted();
    if (price === null || price === 'free') return null;
    const tokens = context.generation.maxTokens ?? longest;
    const low = rows.length * price.row;
    return { currency: 'USD', low, high: low + rows.length * tokens * price.token, source: 'a price list', asOf: '2026-01-01' };
  }

  const provider = defineProvider({
    id,
    statusMap: { done: 'succeeded' },
    listingDelayMs: 1,
    training: {
      translate: ({ spec: { model } }): { request: AnsweringRequest; notes: [] } => ({
        request: { base: model.kind === 'folder' ? model.path : model.name },
        notes: [],
      }),
      prepare: async () => await Promise.resolve({}),
      bind: (request: AnsweringRequest, _prepared: object, key: RunKey) => ({ ...request, key }),
      async create({ key }: { key: RunKey }, { attempt }: Attempt) {
        const job = { provider: id, id: `job-${key}`, location: id, attempt, createdAt: '2026-01-01T00:00:00.000Z', url: null };
        jobs.set(key, job);
        return await Promise.resolve(job);
      },
      find: async (_request: AnsweringRequest, _prepared: readonly object[], { key }: Attempt) =>
        await Promise.resolve([...jobs].filter(([one]) => one === key).map(([, job]) => job)),
      observe: async (_job: JobRef, _cursor: null, { key }: Attempt) =>
        await Promise.resolve({
          status: { phase: 'succeeded', raw: 'done' } as const,
          progress: null,
          metrics: [],
          logs: [],
          artifacts: [{ kind, uri: `memory:${key}`, sha256: null, model: toModel(`ft:${key}`, 'base') }],
          checkpoint: null,
          notes: [],
          failure: null,
          cost: { usd: trainingUsd, source: 'a price list' },
          startedAt: null,
          finishedAt: null,
          cursor: null,
          nextInMs: 1,
        }),
      quote: async () =>
        await Promise.resolve({ currency: 'USD', low: trainingUsd, high: trainingUsd, source: 'a price list', asOf: null }),
      baseModel: ({ base }: AnsweringRequest) => toModel(base, base),
    },
    inference: { getModel: (name) => toModel(name, name), predict, ...(price === 'free' ? {} : { quote: quotePredictions }) },
  });
  const service: AnsweringService = { provider, asked: [], beforeAnswer: () => {}, dumb: new Set() };
  return service;
}

/** A workspace with an empty store; `provider` is every provider. */
export function createWorkspace(dir: string, provider?: Provider, signal = new AbortController().signal): Workspace {
  const context = {
    signal,
    now: () => new Date(0),
    wait: async () => await Promise.resolve(),
    setting: () => null,
    credential: () => null,
  };
  return { store: openEmptyStore(), dir, context, provider: () => provider!, owner: 'a test', leaseMs: 1000 };
}

/** What a model reads, as one text: the last message's, or the classifier's text. */
export function toRead(row: PredictionRow): string {
  return 'text' in row ? row.text : String(row.messages.at(-1)!.content);
}

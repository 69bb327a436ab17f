import { Failure } from '../errors.ts';
import { parseJsonOr } from '../lib/json.ts';
import { toModelName } from '../provider/model-name.ts';
import type { Prediction, PredictionRow } from '../provider/prediction.ts';
import type { Workspace } from '../run/workspace.ts';
import type { Store } from '../store/open-store.ts';
import { downloadModel, type ModelClient } from './models.ts';
import { toPredictionContext, type RequestBatch } from './requests.ts';

/** An answer as it is stored. */
export interface StoredAnswer extends Prediction {
  /** What it cost, null where that is not known, and the charge that it was paid from. Absent where answers are free. */
  readonly paid?: { readonly usd: number | null; readonly charge: string | null };
  /** When it was given: ISO 8601, UTC; absent where nobody noted it. */
  readonly at?: string;
}

/** Is called for the requests and answers that may cost money. */
export interface SpendMeter {
  /** Before requests are sent to a model. */
  begin(client: ModelClient): void;
  /** For each new answer, before it is stored: the answer with its price. */
  record(prediction: Prediction): Promise<StoredAnswer>;
  /** Why no more may be asked: the answers cost more than was quoted, and more than may be spent. Null: they may. */
  getOverrun(): Failure | null;
  /** A request of this row had no answer and may be charged. */
  addLost(id: string): void;
}

/** SQLite's own limit of bound values is far above this. */
const chunkSize = 500;

/** The stored answers to requests, by the identifier of the request. */
export async function readAnswers(store: Store, requests: readonly Pick<PredictionRow, 'id'>[]): Promise<Map<string, StoredAnswer>> {
  const known = new Map<string, StoredAnswer>();
  for (let i = 0; i < requests.length; i += chunkSize) {
    const chunk = requests.slice(i, i + chunkSize).map(({ id }) => id);
    const rows = await store.selectFrom('prediction').selectAll().where('key', 'in', chunk).execute();
    for (const row of rows) known.set(row.key, parseAnswer(row));
  }
  return known;
}

/** The answers that were paid from a charge. */
export async function listAnswersOfCharge(store: Store, charge: string): Promise<StoredAnswer[]> {
  return (await store.selectFrom('prediction').selectAll().where('charge', '=', charge).execute()).map(parseAnswer);
}

/** The charge has a column of its own, so that the answers of a charge are found. */
function parseAnswer({ key, body, charge }: { readonly key: string; readonly body: string; readonly charge: string | null }): StoredAnswer {
  const stored = parseJsonOr(body, null) as StoredAnswer | null;
  if (stored?.id !== key) {
    throw new Failure('configuration-invalid', `state.db: the answer ${key.slice(0, 12)}… is damaged`, {
      hint: 'restore a copy of the file; runs are not affected, and neither are comparisons without this row (--limit)',
    });
  }
  const { paid, ...answer } = stored;
  return paid === undefined ? answer : { ...answer, paid: { usd: paid.usd, charge } };
}

/** Stores answers under their identifiers; one that is there already stays. */
export async function storeAnswers(store: Store, answers: readonly StoredAnswer[]): Promise<void> {
  if (answers.length === 0) return;
  await store.transaction().execute(async (tx) => {
    for (const { paid, ...answer } of answers) {
      const body = JSON.stringify(paid === undefined ? answer : { ...answer, paid: { usd: paid.usd } });
      await tx
        .insertInto('prediction')
        .values({ key: answer.id, body, charge: paid?.charge ?? null })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute();
    }
  });
}

/** The requests without an answer, each once. */
export function getUnanswered(requests: readonly PredictionRow[], known: ReadonlyMap<string, unknown>): PredictionRow[] {
  const byId = new Map(requests.map((request) => [request.id, request]));
  return [...byId.values()].filter(({ id }) => !known.has(id));
}

/** The requests without a stored answer, each once though several batches have it; batches that are complete are left out. */
export async function findUnanswered(store: Store, batches: readonly RequestBatch[]): Promise<RequestBatch[]> {
  const seen = new Set<string>();
  const open: RequestBatch[] = [];
  for (const { client, requests } of batches) {
    const unanswered = getUnanswered(requests, await readAnswers(store, requests)).filter(({ id }) => !seen.has(id));
    for (const { id } of unanswered) seen.add(id);
    if (unanswered.length > 0) open.push({ client, requests: unanswered });
  }
  return open;
}

/** Answers of this machine are cheap to give again, and each write waits for the disk; those of a service are stored one by one. */
const folderBatch = 256;

/**
 * A model's answers to requests, in their order. Each is stored as it comes: a request that was answered before is not sent again, and
 * equal ones are sent once.
 * @throws Failure of the provider, and `response-invalid` where it leaves requests without an answer; the other answers are stored
 */
export async function fetchAnswers(workspace: Workspace, { client, requests }: RequestBatch, meter?: SpendMeter): Promise<StoredAnswer[]> {
  const { store, context } = workspace;
  const known = await readAnswers(store, requests);
  const open = getUnanswered(requests, known);
  if (open.length > 0) {
    const { provider, model } = await findPresentModel(workspace, client);
    const waiting = new Set(open.map(({ id }) => id));
    const fresh: StoredAnswer[] = [];
    const overrun = meter?.getOverrun() ?? null;
    if (overrun !== null) throw overrun;
    meter?.begin(client);
    const hooks = meter === undefined ? {} : { mayAsk: () => meter.getOverrun() === null, onLost: (id: string) => meter.addLost(id) };
    const asking = { ...toPredictionContext(context, client.settings), ...hooks };
    try {
      for await (const prediction of provider.inference!.predict!(model, open, asking)) {
        if (!waiting.delete(prediction.id)) continue; // the first answer to a request counts
        const answer = (await meter?.record(prediction)) ?? prediction;
        known.set(answer.id, answer);
        fresh.push(answer);
        if (fresh.length >= (model.kind === 'endpoint' ? 1 : folderBatch)) await storeAnswers(store, fresh.splice(0));
      }
    } finally {
      await storeAnswers(store, fresh);
    }
    context.signal.throwIfAborted();
    if (waiting.size > 0) {
      const stopped = meter?.getOverrun() ?? null;
      if (stopped !== null) throw stopped;
      throw new Failure('response-invalid', `${toModelName(model)}: expected ${open.length} answers, found ${open.length - waiting.size}`, {
        hint: 'run the command again: the answers are stored, and only the other rows are sent again',
      });
    }
  }
  return requests.map(({ id }) => known.get(id)!);
}

/** A model in a repository answers from a folder of this machine. */
async function findPresentModel({ context, provider }: Workspace, client: ModelClient): Promise<Pick<ModelClient, 'provider' | 'model'>> {
  if (client.model.kind !== 'repository') return client;
  return { provider: provider('local', 'model'), model: await downloadModel(client, client.model, context) };
}

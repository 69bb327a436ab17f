import type { Context, ModelRef, Prediction, PredictionRow, Provider } from '../contract/provider.ts';
import type { ClassificationRow } from '../dataset/map-row.ts';
import { toJsonHash } from '../spec/run-key.ts';
import type { Store } from '../store/open-store.ts';

export interface Answerer {
  readonly provider: Provider;
  readonly model: ModelRef;
}

/**
 * A model's answers to rows, in the rows' order. Each is kept under what decides it (model, row, settings): a row that was answered
 * before is not answered again.
 */
export async function answerRows(
  store: Store,
  { provider, model }: Answerer,
  options: { rows: readonly Omit<ClassificationRow, 'label'>[]; context: Context },
): Promise<Prediction[]> {
  const keys = options.rows.map(({ text, text2 }) =>
    toJsonHash({ model: model.identity, labels: model.labels, maxLength: model.maxLength, text, text2: text2 ?? null }),
  );
  const known = await readPredictions(store, keys);
  const asked = new Map<string, PredictionRow>();
  for (const [i, { text, text2 }] of options.rows.entries()) {
    const id = keys[i]!;
    if (!known.has(id)) asked.set(id, text2 === undefined ? { id, text } : { id, text, text2 });
  }
  if (asked.size > 0) {
    const predictions = await provider.predict!(model, [...asked.values()], options.context);
    for (const prediction of predictions) known.set(prediction.id, prediction);
    await keepPredictions(store, predictions);
  }
  return keys.map((key) => known.get(key)!);
}

/** SQLite's own limit of bound values is far above this. */
const chunkSize = 500;

async function readPredictions(store: Store, keys: readonly string[]): Promise<Map<string, Prediction>> {
  const known = new Map<string, Prediction>();
  for (let i = 0; i < keys.length; i += chunkSize) {
    const rows = await store
      .selectFrom('prediction')
      .selectAll()
      .where('key', 'in', keys.slice(i, i + chunkSize))
      .execute();
    for (const row of rows) known.set(row.key, JSON.parse(row.body) as Prediction);
  }
  return known;
}

async function keepPredictions(store: Store, predictions: readonly Prediction[]): Promise<void> {
  await store.transaction().execute(async (tx) => {
    for (const prediction of predictions) {
      const values = { key: prediction.id, body: JSON.stringify(prediction) };
      await tx
        .insertInto('prediction')
        .values(values)
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute();
    }
  });
}

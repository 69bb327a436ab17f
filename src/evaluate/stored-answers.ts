import type { Prediction } from '../provider/prediction.ts';
import type { Store } from '../store/open-store.ts';

/** An answer as it is kept. */
export interface StoredAnswer extends Prediction {
  /** What it has cost, null where that is not known, and the charge that it was paid from. Absent where answers are free. */
  readonly paid?: { readonly usd: number | null; readonly charge: string | null };
  /** When it was given: ISO 8601, UTC; absent where nobody noted it. */
  readonly at?: string;
}

/** SQLite's own limit of bound values is far above this. */
const chunkSize = 500;

/** The answers that are kept under these keys, by key. */
export async function readAnswers(store: Store, keys: readonly string[]): Promise<Map<string, StoredAnswer>> {
  const known = new Map<string, StoredAnswer>();
  for (let i = 0; i < keys.length; i += chunkSize) {
    const rows = await store
      .selectFrom('prediction')
      .selectAll()
      .where('key', 'in', keys.slice(i, i + chunkSize))
      .execute();
    for (const row of rows) known.set(row.key, parseAnswer(row));
  }
  return known;
}

/** The answers that were paid from a charge. */
export async function listAnswersOfCharge(store: Store, charge: string): Promise<StoredAnswer[]> {
  return (await store.selectFrom('prediction').selectAll().where('charge', '=', charge).execute()).map(parseAnswer);
}

/** The charge is a column of its own, so that the answers of a charge are found. */
function parseAnswer({ body, charge }: { readonly body: string; readonly charge: string | null }): StoredAnswer {
  const { paid, ...answer } = JSON.parse(body) as StoredAnswer;
  return paid === undefined ? answer : { ...answer, paid: { usd: paid.usd, charge } };
}

/** Keeps answers under their identifiers; one that is there already stays. */
export async function keepAnswers(store: Store, answers: readonly StoredAnswer[]): Promise<void> {
  if (answers.length === 0) return;
  await store.transaction().execute(async (tx) => {
    for (const { paid, ...answer } of answers) {
      const body = JSON.stringify(paid === undefined ? answer : { ...answer, paid: { usd: paid.usd } });
      const values = { key: answer.id, body, charge: paid?.charge ?? null };
      await tx
        .insertInto('prediction')
        .values(values)
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute();
    }
  });
}

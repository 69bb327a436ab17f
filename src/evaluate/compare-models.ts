import type { Context, ModelRef, Provider } from '../contract/provider.ts';
import type { ClassificationRow } from '../dataset/map-row.ts';
import type { Store } from '../store/open-store.ts';
import { answerRows } from './answer-rows.ts';
import { toComparison, type Candidate, type Comparison } from './compare.ts';

/** A finished run with its model before and after. */
export interface Contender {
  /** The target's name. */
  readonly name: string;
  /** The run's address. */
  readonly run: string;
  readonly provider: Provider;
  readonly untrained: ModelRef | null;
  readonly tuned: ModelRef;
}

export interface HeldOut {
  readonly job: string;
  /** The set's name. */
  readonly set: string;
  readonly rows: readonly ClassificationRow[];
  readonly labels: readonly string[];
  /** The most frequent training label. */
  readonly majority: string;
  readonly margin: number;
}

/** Has each model, before and after training, answer the held-out rows, and compares the answers. */
export async function compareModels(
  { store, context }: { readonly store: Store; readonly context: Context },
  heldOut: HeldOut,
  contenders: readonly Contender[],
): Promise<Comparison> {
  const { rows, majority } = heldOut;
  const answer = async (provider: Provider, model: ModelRef): Promise<(string | null)[]> => {
    const predictions = await answerRows(store, { provider, model }, { rows, context });
    return predictions.map((prediction) => prediction.answer);
  };
  const known = new Set<string>();
  const before: Candidate[] = [{ name: 'most frequent label', kind: 'majority', run: null, answers: rows.map(() => majority) }];
  const after: Candidate[] = [];
  for (const { name, run, provider, untrained, tuned } of contenders) {
    // Targets that begin with the same model and seed have the same untrained head.
    const isNew = untrained !== null && !known.has(untrained.identity);
    if (isNew) known.add(untrained.identity);
    // The two answer at once: each is a process, or a service, of its own.
    const [untrainedAnswers, answers] = await Promise.all([isNew ? answer(provider, untrained) : null, answer(provider, tuned)]);
    const of = contenders.length === 1 ? '' : ` of ${name}`;
    if (untrainedAnswers !== null) before.push({ name: `untrained head${of}`, kind: 'untrained', run: null, answers: untrainedAnswers });
    after.push({ name, kind: 'tuned', run, answers });
  }
  const candidates = [...before, ...after];
  const { job, set, labels, margin } = heldOut;
  return toComparison({ job, set, measure: 'accuracy', margin, labels, expected: rows.map(({ label }) => label), candidates });
}

import type { Prediction } from '../contract/prediction.ts';
import { parseLabel } from '../dataset/to-chat.ts';
import type { Store } from '../store/open-store.ts';
import { toComparison, type Candidate, type Comparison } from './compare.ts';
import type { Entrant } from './entrants.ts';
import type { HeldOut } from './held-out.ts';
import { readAnswers, type StoredAnswer } from './stored-answers.ts';

/** Compares the models of a held-out set by the answers that are kept; a model that lacks some is left out and named. */
export async function scoreHeldOut(store: Store, heldOut: HeldOut): Promise<Comparison> {
  const { job, set, measure, margin, labels, expected, majority } = heldOut;
  const candidates: Candidate[] = [];
  const left: string[] = [];
  for (const entrant of heldOut.entrants) {
    const ids = entrant.questions.map(({ id }) => id);
    const known = await readAnswers(store, ids);
    const predictions = ids.map((id) => known.get(id)).filter((prediction) => prediction !== undefined);
    if (predictions.length === ids.length) candidates.push(toCandidate(entrant, predictions));
    else {
      const name = entrant.run ?? entrant.name;
      left.push(
        `${name} has answered ${predictions.length} of ${ids.length} rows and is left out: \`orchestrate evaluate ${job}\` asks it`,
      );
    }
  }
  const rule: Candidate[] =
    majority === null
      ? []
      : [{ name: 'most frequent label', kind: 'majority', run: null, answers: expected.map(() => majority), latency: null, cost: null }];
  const untrained = candidates.filter(({ kind }) => kind === 'untrained');
  const tuned = candidates.filter(({ kind }) => kind === 'tuned');
  const all = [...rule, ...untrained, ...tuned];
  const comparison = toComparison({ job, set, measure, margin, labels, expected, candidates: all });
  const unheld =
    comparison.reference === null && tuned.length > 0
      ? ['no untrained model has answered these rows: there is nothing to hold against']
      : [];
  return { ...comparison, notes: [...heldOut.notes, ...left, ...unheld] };
}

function toCandidate(entrant: Entrant, predictions: readonly StoredAnswer[]): Candidate {
  const { name, kind, run, trainingUsd } = entrant;
  const answersUsd = toCost(entrant, predictions);
  return {
    name,
    kind,
    run,
    answers: predictions.map((prediction) => toAnswer(entrant, prediction)),
    latency: toMedian(predictions.map(({ latencyMs }) => latencyMs ?? null).filter((latencyMs) => latencyMs !== null)),
    cost: answersUsd === null || trainingUsd === null ? null : answersUsd + trainingUsd,
  };
}

/** Equal rows were asked, and paid for, once. */
function toCost({ answerer }: Entrant, predictions: readonly StoredAnswer[]): number | null {
  const ifUnknown = answerer.provider.quotePredictions === undefined ? 0 : null;
  const costs = new Map(predictions.map(({ id, paid }) => [id, paid === undefined ? ifUnknown : paid.usd]));
  return [...costs.values()].reduce((sum, usd) => (sum === null || usd === null ? null : sum + usd), 0);
}

/** A generated answer of a classification counts as the label that it names, if any. */
function toAnswer({ answerer: { model, asking } }: Pick<Entrant, 'answerer'>, { answer }: Prediction): string | null {
  return asking.task === 'classification' && model.kind === 'endpoint' ? parseLabel(answer, asking.labels) : answer;
}

function toMedian(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

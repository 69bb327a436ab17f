import { parseAnswer } from '../dataset/chat.ts';
import type { Prediction } from '../provider/prediction.ts';
import type { Deprecation } from '../provider/service.ts';
import { formatDeprecationNotes } from '../run/deprecation.ts';
import type { Workspace } from '../run/workspace.ts';
import type { Store } from '../store/open-store.ts';
import { readAnswers, type StoredAnswer } from './answers.ts';
import type { Candidate, ModelSource } from './candidates.ts';
import { buildComparison, chooseReference, type CandidateAnswers, type Comparison } from './comparison.ts';
import type { EvaluationSet, Scope } from './evaluation-set.ts';
import { measures, mostFrequent } from './measures.ts';
import type { PromptSettings } from './models.ts';

/** Why models cannot run here, in words. */
export type ModelProblems = ReadonlyMap<unknown, string>;

/** The order of candidates in a comparison. */
const kinds: readonly CandidateAnswers['kind'][] = ['majority', 'untrained', 'base', 'reference', 'tuned'];

/** Compares the candidates of a held-out set by their stored answers. A model without all of its answers is left out, with a note. */
export async function scoreSet(
  { store, context }: Workspace,
  set: EvaluationSet,
  { scope, problems }: { readonly scope: Pick<Scope, 'address' | 'wanted'>; readonly problems: ModelProblems },
): Promise<Comparison> {
  const { majority, referenceNames } = set;
  const scored: CandidateAnswers[] = [];
  if (majority !== null) scored.push(buildMajority(majority, set));
  const cut: string[] = [];
  const incomplete: { readonly candidate: Candidate; readonly note: string }[] = [];
  for (const candidate of set.candidates) {
    const { name, run, source } = candidate;
    const answers = await readCandidateAnswers(store, source);
    const count = answers.filter((answer) => answer !== undefined).length;
    if (count === answers.length) {
      scored.push(scoreCandidate(candidate, answers as (Answer | null)[], set.settings));
      cut.push(...listCutNotes(candidate, answers as (Answer | null)[]));
    } else {
      const why = problems.get(source) ?? `\`orchestrate evaluate ${scope.address}\` fetches its answers`;
      incomplete.push({ candidate, note: `${run ?? name} has answered ${count} of ${answers.length} rows and is left out: ${why}` });
    }
  }
  const candidates = kinds.flatMap((kind) => scored.filter((candidate) => candidate.kind === kind));
  const known = [...candidates, ...incomplete.map(({ candidate }) => candidate)];
  const referenceAmong = chooseReference({ known, references: referenceNames, wanted: scope.wanted });
  const comparison = buildComparison({ ...set, candidates, referenceAmong });
  return {
    ...comparison,
    leftOut: [...set.leftOut, ...incomplete.map(({ candidate: { run } }) => run).filter((run) => run !== null)],
    notes: [
      ...set.notes,
      ...incomplete.map(({ note }) => note),
      ...cut,
      ...comparison.notes,
      ...listReferenceNotes(comparison, referenceNames, scope.wanted),
      ...listDeprecationNotes(set.candidates, context.now()),
    ],
  };
}

/** An answer of any origin: of a model or a command as it is stored, or of a predictions file. */
type Answer = Omit<Prediction, 'id'> & Partial<Pick<StoredAnswer, 'id' | 'paid'>>;

/** One a row; undefined where it is not stored yet, null where a file has none. */
async function readCandidateAnswers(store: Store, source: Candidate['source']): Promise<(Answer | null | undefined)[]> {
  if (source.type === 'file') return [...source.answers];
  const known = await readAnswers(store, source.requests);
  return source.requests.map(({ id }) => known.get(id));
}

function buildMajority(answer: string, { expected, measure }: EvaluationSet): CandidateAnswers {
  const answers = expected.map(() => answer);
  return { name: measures[measure].rule ?? mostFrequent, kind: 'majority', run: null, answers };
}

/** A generated answer of a classification counts as the label or labels that it names, if any. */
function scoreCandidate(
  { name, kind, run, source }: Candidate,
  answers: readonly (Answer | null)[],
  shared: PromptSettings,
): CandidateAnswers {
  const { task, labels } = source.type === 'model' ? source.client.settings : shared;
  const isGenerated = source.type !== 'model' || source.client.model.kind === 'endpoint';
  const texts = answers.map((answer) => answer?.answer ?? null);
  return {
    name,
    kind,
    run,
    // A list may be written in more than one way, by anybody.
    answers:
      (task === 'classification' && isGenerated) || task === 'multi-label'
        ? texts.map((text) => parseAnswer(text, { task, labels }))
        : texts,
    latency: getMedian(answers.flatMap((answer) => answer?.latencyMs ?? [])),
    cost: source.type === 'model' ? getCost(source, answers) : null, // what a command or the answers of a file cost is not known
    endsOn: findDeprecation(source)?.date ?? null,
  };
}

function listCutNotes({ name, source }: Candidate, answers: readonly (Answer | null)[]): string[] {
  const count = answers.filter((answer) => answer?.truncated === true).length;
  // A classifier generates no tokens: of its answers, the texts of the rows were cut.
  const isGenerated = source.type === 'model' && source.client.model.kind === 'endpoint';
  const most = isGenerated ? source.client.settings.generation.maxTokens : undefined;
  if (count === 0 || most === undefined) return [];
  return [`${count} answers of ${name} were cut at ${most} tokens: evaluation.generation.maxTokens allows longer ones`];
}

/** Equal rows were sent, and paid for, once. */
function getCost({ client, trainingUsd }: ModelSource, answers: readonly (Answer | null)[]): number | null {
  const ifUnpaid = client.provider.inference?.quote === undefined ? 0 : null;
  const costs = new Map(answers.map((answer) => [answer?.id, answer?.paid === undefined ? ifUnpaid : answer.paid.usd]));
  return [trainingUsd, ...costs.values()].reduce((sum, usd) => (sum === null || usd === null ? null : sum + usd), 0);
}

function getMedian(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function findDeprecation(source: Candidate['source']): Deprecation | null {
  if (source.type !== 'model' || source.client.model.kind !== 'endpoint') return null;
  return source.client.provider.getDeprecation?.(source.client.model.base) ?? null;
}

/** Models with the same shutdown are named together. */
function listDeprecationNotes(candidates: readonly Candidate[], now: Date): string[] {
  const notes = candidates.flatMap(({ name, source }) =>
    formatDeprecationNotes(findDeprecation(source), now).map(({ message }) => ({ name, message })),
  );
  return [...Map.groupBy(notes, ({ message }) => message)].map(([message, of]) => `${of.map(({ name }) => name).join(', ')}: ${message}`);
}

function listReferenceNotes({ reference, candidates }: Comparison, names: readonly string[], wanted: string | undefined): string[] {
  if (!candidates.some(({ kind }) => kind === 'tuned')) return [];
  if (reference === null) {
    const only = wanted ?? (names.length === 1 ? names[0] : undefined);
    if (only !== undefined) return [`the reference ${only} is left out, so that there is no verdict`];
    return ['no untrained model has answered these rows, so that there is no verdict'];
  }
  if (wanted !== undefined || names.length < 2) return [];
  return [`the job has ${names.length} references (${names.join(', ')}): --reference compares its runs with one of them`];
}

import type { Prediction } from '../provider/prediction.ts';
import type { Deprecation } from '../provider/service.ts';
import { parseLabel } from '../dataset/chat.ts';
import { formatDeprecationNotes } from '../run/deprecation.ts';
import type { PromptSettings } from './prompt-settings.ts';
import { chooseReference } from './choose-reference.ts';
import { toComparison, type Candidate, type Comparison } from './compare.ts';
import type { Candidate_ } from './candidates.ts';
import type { References } from './find-references.ts';
import type { EvaluationWorkspace, HeldOut } from './held-out.ts';
import { readAnswers, type StoredAnswer } from './stored-answers.ts';

/** Why models cannot answer here, in words. */
export type Unfit = ReadonlyMap<unknown, string>;

/** A held-out set with everything that is to be compared on it. */
export interface EvaluationSet_ {
  readonly heldOut: HeldOut;
  readonly references: References;
  /** Who is to be the reference, as `chooseReference` reads it. */
  readonly wanted?: string | undefined;
  /** Of the runs, as a person gave it. */
  readonly address: string;
}

/** Compares the models of a held-out set by the answers that are kept; a model that lacks some is left out and named. */
export async function scoreHeldOut(
  { store, context }: Pick<EvaluationWorkspace, 'store' | 'context'>,
  { heldOut, references, wanted, address }: EvaluationSet_,
  unfit: Unfit,
): Promise<Comparison> {
  const { job, set, measure, margin, labels, expected, majority, settings } = heldOut;
  const candidates: Candidate[] = [];
  const left: (Pick<Candidate, 'name' | 'kind' | 'run'> & { readonly note: string })[] = [];
  const score = async <T extends Kept>(
    entrant: T,
    toScored: (entrant: T, answers: readonly StoredAnswer[]) => Candidate,
  ): Promise<void> => {
    const { name, kind, run, questions } = entrant;
    const ids = questions.map(({ id }) => id);
    const known = await readAnswers(store, ids);
    const answers = ids.map((id) => known.get(id)).filter((answer) => answer !== undefined);
    if (answers.length === ids.length) candidates.push(toScored(entrant, answers));
    else {
      const why = unfit.get(entrant) ?? `\`orchestrate evaluate ${address}\` asks it`;
      left.push({ name, kind, run, note: `${run ?? name} has answered ${answers.length} of ${ids.length} rows and is left out: ${why}` });
    }
  };
  for (const entrant of [...heldOut.entrants, ...references.models]) await score(entrant, toCandidate);
  for (const entrant of references.commands) {
    await score({ ...entrant, kind: 'reference', run: null }, ({ name }, answers) => toForeignCandidate(name, answers, settings));
  }
  for (const { name, answers } of references.files) candidates.push(toForeignCandidate(name, answers, settings));
  const rule: Candidate[] =
    majority === null
      ? []
      : [{ name: 'most frequent label', kind: 'majority', run: null, answers: expected.map(() => majority), latency: null, cost: null }];
  const ofKind = (wantedKind: Candidate['kind']): Candidate[] => candidates.filter(({ kind }) => kind === wantedKind);
  const scored = ofKind('reference').sort((a, b) => references.names.indexOf(a.name) - references.names.indexOf(b.name));
  const all = [...rule, ...ofKind('untrained'), ...scored, ...ofKind('tuned')];
  const referenceAmong = chooseReference({ known: [...all, ...left], references: references.names, wanted });
  const comparison = toComparison({ job, set, measure, margin, labels, expected, candidates: all, referenceAmong });
  const notes = [
    ...heldOut.notes,
    ...references.notes,
    ...left.map(({ note }) => note),
    ...toReferenceNotes(comparison, references, wanted),
    ...toEnds([...heldOut.entrants, ...references.models], context.now()),
  ];
  return { ...comparison, leftOut: [...heldOut.leftOut, ...left.map(({ run }) => run).filter((run) => run !== null)], notes };
}

/** Who answers, with the questions whose answers are kept. */
type Kept = Pick<Candidate_, 'name' | 'kind' | 'run' | 'questions'>;

function toReferenceNotes({ reference, candidates }: Comparison, { names }: References, wanted: string | undefined): string[] {
  if (!candidates.some(({ kind }) => kind === 'tuned')) return [];
  if (reference === null) {
    const [only] = wanted === undefined && names.length === 1 ? names : [wanted];
    if (only !== undefined) return [`${only} is the reference and is left out: nothing is held against it`];
    return ['no untrained model has answered these rows: there is nothing to hold against'];
  }
  if (wanted !== undefined || names.length < 2) return [];
  return [`the job has ${names.length} references (${names.join(', ')}): --reference holds its runs against one of them`];
}

/** Of answers that were given elsewhere nobody knows the cost. */
function toForeignCandidate(
  name: string,
  answers: readonly (Omit<Prediction, 'id'> | null)[],
  { task, labels }: PromptSettings,
): Candidate {
  const said = answers.map((answer) => answer?.answer ?? null);
  return {
    name,
    kind: 'reference',
    run: null,
    answers: task === 'classification' ? said.map((answer) => parseLabel(answer, labels)) : said,
    latency: toLatency(answers.filter((answer) => answer !== null)),
    cost: null,
  };
}

function toLatency(answers: readonly Pick<Prediction, 'latencyMs'>[]): number | null {
  return toMedian(answers.map(({ latencyMs }) => latencyMs ?? null).filter((latencyMs) => latencyMs !== null));
}

function toCandidate(entrant: Candidate_, predictions: readonly StoredAnswer[]): Candidate {
  const { name, kind, run, trainingUsd } = entrant;
  const answersUsd = toCost(entrant, predictions);
  return {
    name,
    kind,
    run,
    answers: predictions.map((prediction) => toAnswer(entrant, prediction)),
    latency: toLatency(predictions),
    cost: answersUsd === null || trainingUsd === null ? null : answersUsd + trainingUsd,
    endsOn: toEnd(entrant)?.date ?? null,
  };
}

function toEnd({ client: { provider, model } }: Pick<Candidate_, 'client'>): Deprecation | null {
  return model.kind === 'endpoint' ? (provider.getDeprecation?.(model.base) ?? null) : null;
}

/** Models that end soon, those of one end together. */
function toEnds(entrants: readonly Candidate_[], now: Date): string[] {
  const names = new Map<string, string[]>();
  for (const entrant of entrants) {
    for (const { message } of formatDeprecationNotes(toEnd(entrant), now))
      names.set(message, [...(names.get(message) ?? []), entrant.name]);
  }
  return [...names].map(([message, of]) => `${of.join(', ')}: ${message}`);
}

/** Equal rows were asked, and paid for, once. */
function toCost({ client }: Candidate_, predictions: readonly StoredAnswer[]): number | null {
  const ifUnknown = client.provider.inference?.quote === undefined ? 0 : null;
  const costs = new Map(predictions.map(({ id, paid }) => [id, paid === undefined ? ifUnknown : paid.usd]));
  return [...costs.values()].reduce((sum, usd) => (sum === null || usd === null ? null : sum + usd), 0);
}

/** A generated answer of a classification counts as the label that it names, if any. */
function toAnswer({ client: { model, settings } }: Pick<Candidate_, 'client'>, { answer }: Prediction): string | null {
  return settings.task === 'classification' && model.kind === 'endpoint' ? parseLabel(answer, settings.labels) : answer;
}

function toMedian(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

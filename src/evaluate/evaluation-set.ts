import type { ChatRow, ClassificationRow } from '../dataset/row.ts';
import { getExpectedAnswer } from '../dataset/chat.ts';
import { formatWarning, omitExample, type DataWarning } from '../dataset/problems.ts';
import { isMeasure } from '../job/measures.ts';
import { stillFalling } from '../run/loss-trend.ts';
import { toRunId } from '../run/record.ts';
import { readPart } from '../run/run-data.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { Workspace } from '../run/workspace.ts';
import { buildRunCandidates, findReferences, type Candidate, type ReferenceOptions } from './candidates.ts';
import { checkMargin } from './measures.ts';
import type { ComparisonInput } from './comparison.ts';
import { filterTuned, findPredictProblem, getPromptSettings, type PromptSettings } from './models.ts';

/** What is compared. */
export interface Scope extends ReferenceOptions {
  /** Of the runs, as the user gave it. */
  readonly address: string;
  /** Newest first. */
  readonly runs: readonly StoredRun[];
  /** About the runs, for every set. */
  readonly notes: readonly string[];
  /** Replaces the job's. */
  readonly margin?: number | undefined;
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/** The rows of a held-out set with everything that is scored on them. */
export interface EvaluationSet extends Omit<ComparisonInput, 'candidates' | 'referenceAmong'> {
  /** The most frequent training label; null where the task has none. */
  readonly majority: string | null;
  /** How a model is asked that no run has made. */
  readonly settings: PromptSettings;
  readonly candidates: readonly Candidate[];
  /** The names of the job's references, also of those that are left out. */
  readonly referenceNames: readonly string[];
  /** The addresses of finished runs that cannot be scored. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The held-out sets of the newest finished run, with the references and the models of all runs that have the same rows, ordered by name.
 * None where the task is not scored.
 * @throws Failure `run-not-found` where no run has a model, and as `findReferences`
 */
export async function findEvaluationSets(workspace: Workspace, scope: Scope): Promise<EvaluationSet[]> {
  const { limit = Infinity } = scope;
  const finished = filterTuned(scope.runs, scope.address);
  const problems = new Map(finished.map((run) => [run, findRunProblem(workspace, run)]));
  const usable = finished.filter((run) => problems.get(run) === null);
  const unusable = finished.filter((run) => problems.get(run) !== null);
  // Runs of one submission were accepted at the same moment: their order must not depend on chance.
  const ordered = usable.toSorted((a, b) => toRunId(a.record).localeCompare(toRunId(b.record), 'en'));
  const { plan } = (usable[0] ?? finished[0]).record;
  const { facts, spec } = plan;
  const { measure, margin } = spec.evaluation;
  if (!isMeasure(measure)) return [];
  if (scope.margin !== undefined) checkMargin(scope.margin, measure);
  const settings = getPromptSettings(plan);
  const { schema } = spec.evaluation.generation;
  // Few jobs have one, and the library takes time to load.
  const isValid = schema === undefined ? undefined : (await import('../job/answer-schema.ts')).createAnswerCheck(schema);
  const sets: EvaluationSet[] = [];
  for (const [set, part] of Object.entries(facts.test)) {
    const read = ((await Array.fromAsync(readPart(workspace.dir, plan, { test: set }))) as (ClassificationRow | ChatRow)[]).slice(0, limit);
    const rows = read.filter((row) => getExpectedAnswer(row) !== null);
    if (rows.length === 0) continue;
    const hasSameRows = ({ record }: StoredRun): boolean => record.plan.facts.test[set]?.sha256 === part.sha256;
    const others = ordered.filter((run) => !hasSameRows(run)).map(({ record }) => toRunId(record));
    const models = buildRunCandidates(workspace, ordered.filter(hasSameRows), rows);
    const references = await findReferences(workspace, { rows, settings, takenNames: models.map(({ name }) => name) }, scope);
    sets.push({
      job: spec.job,
      set,
      measure,
      margin: scope.margin ?? margin,
      labels: facts.labels,
      expected: rows.map((row) => getExpectedAnswer(row)!),
      isValid,
      majority: facts.majority,
      settings,
      candidates: [...models, ...references.candidates],
      referenceNames: references.names,
      leftOut: [...others, ...unusable.map(({ record }) => toRunId(record))],
      notes: [
        ...scope.notes,
        ...listRunNotes(ordered.filter(hasSameRows), set),
        ...others.map((id) => `${id} has other held-out rows and is left out`),
        ...unusable.map((run) => `${toRunId(run.record)} is left out: ${problems.get(run)}`),
        ...(read.length < part.rows ? [`only the first ${read.length} of ${part.rows} rows were answered`] : []),
        ...(read.length > rows.length
          ? [`${read.length - rows.length} of ${read.length} rows expect an answer without text and are left out`]
          : []),
        ...references.notes,
      ],
    });
  }
  return sets;
}

/** Whether a warning about held-out rows is about their scores. A few rows that are nearly training rows change none. */
function saysSomething(warning: DataWarning, rows: number): boolean {
  if (warning.type === 'near-rows') return warning.code !== 'rows-near' && warning.rows * 100 > rows;
  return warning.type !== 'reading' && warning.type !== 'marked-rows';
}

/** What is wrong with the held-out rows, and with trainings: of each run that it is about, where that is not all of them. */
function listRunNotes(runs: readonly StoredRun[], set: string): string[] {
  const found = runs.flatMap(({ record }) => {
    const rows = record.plan.facts.test[set]?.rows ?? 0;
    const warnings = record.plan.facts.warnings
      .filter((warning) => warning.part === `test/${set}` && saysSomething(warning, rows))
      .map((warning) => formatWarning(omitExample(warning)));
    const trend = record.notes.flatMap((note) => (note.type === 'warning' && note.message.startsWith(stillFalling) ? note.message : []));
    return [...warnings, ...trend].map((message) => ({ id: toRunId(record), message }));
  });
  return [...Map.groupBy(found, ({ message }) => message)].map(([message, of]) =>
    of.length === runs.length ? message : `${of.map(({ id }) => id).join(', ')}: ${message}`,
  );
}

function findRunProblem({ provider }: Workspace, { record: { plan, artifacts } }: StoredRun): string | null {
  return findPredictProblem(provider(plan.spec.provider, plan.spec.target), artifacts[0]!.model);
}

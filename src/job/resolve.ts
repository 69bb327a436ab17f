import { resolve as toAbsolute } from 'node:path';
import { Failure } from '../errors.ts';
import { mergeColumns, nameLabelColumns } from '../lib/label-columns.ts';
import type { JobSpec, Training, TrainingField } from './job-spec.ts';
import { getMeasureNames } from './measures.ts';
import type { DataSpec, ModelName, ReferenceSpec, RunSpec } from './run-spec.ts';

type Target = JobSpec['targets'][string];

/** The columns of the data where the job does not name them. */
const defaultColumns: Readonly<Record<JobSpec['task'], Record<string, string>>> = {
  classification: { text: 'text', label: 'label' },
  'multi-label': { text: 'text', labels: 'labels' },
  regression: { text: 'text', label: 'label' },
  chat: { messages: 'messages' },
  preference: { chosen: 'chosen', rejected: 'rejected' },
  text: { text: 'text' },
};

/** How far the measure may fall and still be "not worse", where the job names no margin. */
const defaultMargin = 0.02;

function resolveSources(sources: string | readonly string[], folder: string): string[] {
  return [sources].flat().map((source) => (source.startsWith('hub:') ? source : toAbsolute(folder, source)));
}

function isPath(model: string): boolean {
  return /^\.{0,2}\//.test(model);
}

/** A model as a target names it; paths begin at the folder. */
export function resolveModel(model: string, folder: string): ModelName {
  if (isPath(model)) return { kind: 'folder', path: toAbsolute(folder, model) };
  return parseHubModel(model) ?? { kind: 'service', name: model };
}

/** `hub:owner/name[@revision]`; null where it is another model. */
export function parseHubModel(model: string): ModelName | null {
  if (!model.startsWith('hub:')) return null;
  const [name, revision] = model.slice('hub:'.length).split('@', 2);
  return { kind: 'hub', name: name!, revision: revision ?? null };
}

type TestSets = NonNullable<JobSpec['data']['test']>;
type TestSet = Exclude<TestSets, string | Fraction>[string];

interface Fraction {
  readonly fraction: number;
}

function isFraction(sets: unknown): sets is Fraction {
  return typeof sets === 'object' && sets !== null && 'fraction' in sets && typeof sets.fraction === 'number';
}

function hasColumns(set: TestSet): set is Extract<TestSet, { files: unknown }> {
  return typeof set === 'object' && 'files' in set;
}

/** Columns by our names: those of labels get one each. */
function nameColumns({ labels, ...columns }: NonNullable<JobSpec['data']['columns']> = {}): Record<string, string> {
  const named = typeof labels === 'string' ? { labels } : nameLabelColumns(labels ?? []);
  return { ...(columns as Record<string, string>), ...named };
}

function resolveData(spec: JobSpec, folder: string): DataSpec {
  const { train, validation, test, columns, quote, allowSecrets } = spec.data;
  const tests = Object.entries(test === undefined ? {} : typeof test === 'string' ? { test } : isFraction(test) ? { test: [] } : test);
  const own = mergeColumns(defaultColumns[spec.task], nameColumns(columns));
  return {
    train: resolveSources(train, folder),
    validation: validation === undefined ? null : isFraction(validation) ? validation : resolveSources(validation, folder),
    test: Object.fromEntries(tests.map(([name, set]) => [name, resolveSources(hasColumns(set) ? set.files : set, folder)])),
    ...(isFraction(test) ? { testFraction: test.fraction } : {}),
    columns: own,
    ...(quote !== undefined && { quote }),
    ...(allowSecrets === true && { allowSecrets }),
    testColumns: Object.fromEntries(
      tests.flatMap(([name, set]) => (hasColumns(set) ? [[name, mergeColumns(own, nameColumns(set.columns))]] : [])),
    ),
  };
}

/** The job's references by name. Paths are taken from `folder`, the job file's, in which commands run too. */
export function resolveReferences({ references }: JobSpec, folder: string): Record<string, ReferenceSpec> {
  const entries = Object.entries(references ?? {}).map(([name, reference]): [string, ReferenceSpec] => {
    if ('command' in reference) {
      const { command, env } = reference;
      return [name, { command, folder, ...(env !== undefined && { env }) }];
    }
    if ('predictions' in reference) return [name, { predictions: toAbsolute(folder, reference.predictions) }];
    const { provider, model, options } = reference;
    const path = isPath(model) ? toAbsolute(folder, model) : model;
    return [name, { provider, model: path, ...(options !== undefined && { options }) }];
  });
  return Object.fromEntries(entries);
}

/** The job's fields with the target's own fields over them; `null` there removes a field. */
function resolveTraining(optional: Training, required: NonNullable<Target['training']>): Training {
  const merged = { ...optional, ...required };
  // `epochs` and `steps` exclude each other: a target that sets one of them drops the job's other.
  if (required.steps != null && required.epochs === undefined) delete merged.epochs;
  if (required.epochs != null && required.steps === undefined) delete merged.steps;
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

/** @throws Failure `job-file-invalid` where the schema is still a path: `readJobFile` reads it */
function resolveGeneration({ evaluation }: JobSpec): RunSpec['evaluation']['generation'] {
  const { schema, ...generation } = evaluation?.generation ?? {};
  if (typeof schema === 'string') {
    throw new Failure('job-file-invalid', `evaluation.generation.schema: expected a JSON Schema, found the path "${schema}"`);
  }
  return schema === undefined ? generation : { ...generation, schema };
}

/**
 * One target of a job as a RunSpec. Paths are taken from `folder`, the job file's.
 * @throws Failure `usage` where the job has no such target.
 */
export function resolveTarget(spec: JobSpec, name: string, folder: string): RunSpec {
  const target = spec.targets[name];
  if (target === undefined) {
    throw new Failure('usage', `job "${spec.name}" has no target "${name}"; it has: ${Object.keys(spec.targets).join(', ')}`);
  }
  const training = resolveTraining(spec.training ?? {}, target.training ?? {});
  const fields = Object.keys(training) as TrainingField[];
  return {
    version: 1,
    workspace: spec.workspace ?? null,
    job: spec.name,
    target: name,
    provider: target.provider ?? name,
    task: spec.task,
    model: resolveModel(target.model, folder),
    data: resolveData(spec, folder),
    prompt: spec.prompt ?? null,
    training,
    requirements: fields.filter((field) => field === 'method' || spec.strict === true || target.training?.[field] !== undefined),
    options: target.options ?? {},
    native: target.native ?? {},
    evaluation: {
      measure: spec.evaluation?.measure ?? getMeasureNames(spec.task)[0]!,
      margin: spec.evaluation?.margin ?? defaultMargin,
      generation: resolveGeneration(spec),
      concurrency: spec.evaluation?.concurrency ?? null,
    },
    references: resolveReferences(spec, folder),
    budget: { usd: spec.budget?.usd ?? null, hours: spec.budget?.hours ?? null },
    onUncertain: spec.onUncertain ?? null,
    tags: spec.tags ?? {},
  };
}

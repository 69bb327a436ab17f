import { checkTemplate } from '../dataset/chat.ts';
import { inspectDataset, type DataFacts } from '../dataset/inspect.ts';
import { formatWarning } from '../dataset/problems.ts';
import { parseRowTask, taskColumns, type RowTask } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import type { Note } from '../provider/note.ts';
import type { QuoteContext } from '../provider/context.ts';
import type { BaseModel } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import { readModelFolder } from '../model-files/model-folder.ts';
import { buildFingerprint, buildRunKey } from '../job/run-key.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { RunPlan } from './event.ts';

/** The measures that a comparison can use so far; `none` where it cannot measure. */
const measures: Readonly<Record<RowTask, readonly string[]>> = {
  classification: ['accuracy'],
  chat: ['exact_match'],
  preference: ['none'],
};

export interface PlanOptions {
  readonly facts: DataFacts;
  readonly generation: number;
  /** What the price is computed from. */
  readonly quote: QuoteContext;
}

/**
 * What a target will be asked, and what becomes of each field on the way. Reads the data and the model; changes nothing.
 * @throws Failure `data-invalid`, `model-invalid`, `file-missing`, and `job-file-invalid` for what the target cannot do
 */
export async function planRun(spec: RunSpec, provider: Provider, options: PlanOptions): Promise<RunPlan> {
  const { facts, generation, quote: context } = options;
  const model = readBaseModel(spec);
  const fingerprint = buildFingerprint(spec, {
    train: facts.train.sha256,
    validation: facts.validation?.sha256 ?? null,
    model: model.revision,
  });
  const key = buildRunKey(spec, generation, fingerprint);
  const { request, notes } = provider.training.translate({ spec, facts, model, key });
  checkRequirements(spec, notes);
  const quote = (await provider.training.quote?.(request, context)) ?? null;
  const deprecation = provider.getDeprecation?.(model.base) ?? null;
  return {
    key,
    generation,
    spec,
    facts,
    model,
    fingerprint,
    request,
    notes: [...notes, ...facts.warnings.map((warning): Note => ({ type: 'warning', message: formatWarning(warning) }))],
    quote,
    deprecation,
  };
}

/**
 * Reads the data of a job once; its facts serve all targets.
 * @throws Failure as `inspectDataset`, and `job-file-invalid` for a task, measure, column or prompt that does not go with the rest.
 */
export async function inspectJobData(spec: RunSpec): Promise<DataFacts> {
  const task = parseRowTask(spec.task);
  const { measure } = spec.evaluation;
  if (!measures[task].includes(measure)) {
    const expected = `evaluation.measure: expected ${measures[task].join(' or ')} for the task "${task}"`;
    throw new Failure('job-file-invalid', `${expected}, found "${measure}"`);
  }
  const column = Object.keys(spec.data.columns).find((name) => !taskColumns[task].includes(name));
  if (column !== undefined) {
    const expected = `data.columns: expected only ${taskColumns[task].join(', ')} for the task "${task}"`;
    throw new Failure('job-file-invalid', `${expected}, found "${column}"`);
  }
  checkPrompt(spec);
  return await inspectDataset({ ...spec.data, task });
}

function checkPrompt({ task, prompt, data }: RunSpec): void {
  if (prompt === null || prompt === undefined) return;
  if (task !== 'classification') {
    throw new Failure('job-file-invalid', `prompt: expected none for the task "${task}", whose rows are messages already`);
  }
  if (prompt.template !== undefined) checkTemplate(prompt.template, data.columns['text2'] !== undefined);
}

function readBaseModel({ model }: RunSpec): BaseModel {
  if (model.kind !== 'folder') return { base: model.name, revision: model.kind === 'hub' ? model.revision : null, maxLength: null };
  const { revision, maxPositions } = readModelFolder(model.path);
  return { base: model.path, revision, maxLength: maxPositions };
}

/** A wish that cannot be followed is a note; a requirement that cannot be followed is an error. */
function checkRequirements(spec: RunSpec, notes: readonly Note[]): void {
  const required = new Set(spec.requirements.map((field) => `training.${field}`));
  const broken = notes.filter((note) => note.type === 'unsupported').filter((note) => required.has(note.field));
  if (broken.length === 0) return;
  const lines = broken.map(({ field, value, why }) => `target "${spec.target}" cannot follow ${field} = ${JSON.stringify(value)}: ${why}`);
  throw new Failure('job-file-invalid', lines.join('\n'), {
    hint: 'take the field out of the target (or "strict" out of the job), so that it becomes a wish',
  });
}

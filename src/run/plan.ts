import { basename, join } from 'node:path';
import type { DataFacts } from '../dataset/inspect.ts';
import { formatWarning } from '../dataset/problems.ts';
import { parseRowTask, taskColumns } from '../dataset/row.ts';
import { checkTemplate } from '../dataset/chat.ts';
import { checkForService } from '../dataset/service-rules.ts';
import { Failure, isFailure, type FailureCode } from '../errors.ts';
import type { Note } from '../provider/note.ts';
import type { Context, QuoteContext } from '../provider/context.ts';
import type { BaseModel } from '../provider/model.ts';
import type { InspectedModel, Provider } from '../provider/provider.ts';
import { readModelFolder } from '../trainer/model-folder.ts';
import { getMeasureNames } from '../job/measures.ts';
import type { JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import { buildFingerprint, buildRunKey } from '../job/run-key.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import { isLabelColumn } from '../lib/label-columns.ts';
import type { Store } from '../store/open-store.ts';
import { readSpending, type Spending } from './budget.ts';
import type { RunPlan } from './event.ts';
import { inspectSources, type Bringer } from './bring-data.ts';
import { checkQuote } from './figures.ts';
import { createRowReader } from './run-data.ts';
import { findNewPlans } from './accept.ts';
import { readRuns } from './run-store.ts';
import type { Workspace } from './workspace.ts';

export interface PlanJobOptions {
  /** The targets to plan; all when absent. */
  readonly targets?: readonly string[] | undefined;
  /** Plans a new run even if the same job has been run before. */
  readonly again?: boolean | undefined;
  /** Only looks: a base model that cannot be looked at now, such as without a network, is a warning and no failure. */
  readonly isTentative?: boolean | undefined;
}

/** Plans each target of a job; the data is read once. */
export async function planJob(
  workspace: Pick<Workspace, 'store' | 'dir' | 'context' | 'provider' | 'bringData'>,
  job: JobFile,
  { targets, again, isTentative = false }: PlanJobOptions,
): Promise<RunPlan[]> {
  const { store, dir, context, provider: findProvider } = workspace;
  const asked = (targets ?? Object.keys(job.spec.targets)).map((name) => {
    const spec = resolveTarget(job.spec, name, job.folder);
    return { spec, provider: findProvider(spec.provider, spec.target) };
  });
  const facts = await inspectJobData(asked[0]!.spec, workspace);
  // Standard input cannot be read again.
  const jobFile = job.path === '-' ? undefined : { path: join(job.folder, basename(job.path)), overrides: job.overrides ?? [] };
  const plans: RunPlan[] = [];
  for (const { spec, provider } of asked) {
    const quote = { ...context, facts, readRows: createRowReader(dir, { facts, spec }, context) };
    const first = await planRun(spec, provider, { facts, generation: 1, quote, isTentative });
    const generation = again === true ? (await findGeneration(store, first)) + 1 : 1;
    plans.push({
      ...(generation === 1 ? first : await planRun(spec, provider, { facts, generation, quote, isTentative })),
      ...(jobFile !== undefined && { jobFile }),
    });
  }
  return plans;
}

/** How often exactly this job has been run; 0 for a new one. */
async function findGeneration(store: Store, { spec, fingerprint }: RunPlan): Promise<number> {
  const { runs, damaged } = await readRuns(store, { job: spec.job, target: spec.target });
  const same = runs.filter(({ record }) => hashJson(record.plan.fingerprint) === hashJson(fingerprint));
  const lost = damaged.filter(({ isMended }) => !isMended).length; // their generation is unknown
  return Math.max(0, ...same.map(({ record }) => record.plan.generation)) + lost;
}

export interface PlanOptions {
  readonly facts: DataFacts;
  readonly generation: number;
  /** The context in which the price is computed. */
  readonly quote: QuoteContext;
  /** As of `PlanJobOptions`. */
  readonly isTentative?: boolean;
}

/**
 * The request for a target, with notes on what becomes of each field. Reads the model; changes nothing.
 * @throws Failure `data-invalid`, `model-invalid`, `file-missing`, and `job-file-invalid` for a requirement that the target cannot follow
 */
export async function planRun(spec: RunSpec, provider: Provider, options: PlanOptions): Promise<RunPlan> {
  const { facts, generation, quote: context, isTentative = false } = options;
  const { model, notes: found } = await inspectModel(spec, provider, { context, isTentative });
  const fingerprint = buildFingerprint(spec, {
    train: facts.train.sha256,
    validation: facts.validation?.sha256 ?? null,
    model: model.revision,
  });
  const key = buildRunKey(spec, generation, fingerprint);
  const { request, notes } = provider.training.translate({ spec, facts, model, key });
  checkRequirements(spec, notes);
  checkForService(spec.provider, parseRowTask(spec.task), facts);
  const quote = checkQuote(await provider.training.quote?.(request, context));
  const estimate = (await provider.training.estimate?.(request, context)) ?? null;
  const deprecation = provider.getDeprecation?.(model.base) ?? null;
  return {
    key,
    generation,
    spec,
    facts,
    model,
    fingerprint,
    request,
    notes: [...found, ...notes, ...facts.warnings.map((warning): Note => ({ type: 'warning', message: formatWarning(warning) }))],
    quote,
    ...(quote === null && provider.training.quotePrepared !== undefined ? { isPricedLate: true } : {}),
    ...(estimate === null ? {} : { estimate }),
    deprecation,
  };
}

/** Failures of a connection: they say nothing about the model. */
const passing: readonly FailureCode[] = ['service-unreachable', 'service-unavailable', 'timeout', 'rate-limited', 'certificate-invalid'];

async function inspectModel(
  spec: RunSpec,
  { training }: Provider,
  { context, isTentative }: { readonly context: Context; readonly isTentative: boolean },
): Promise<InspectedModel> {
  try {
    return (await training.inspectModel?.(spec.model, context)) ?? { model: readBaseModel(spec), notes: [] };
  } catch (error) {
    if (!isTentative || !isFailure(error) || !passing.includes(error.code)) throw error;
    const message = `the model was not looked at: ${error.message}${error.hint === null ? '' : `; ${error.hint}`}`;
    return { model: readBaseModel(spec), notes: [{ type: 'warning', message }] };
  }
}

/**
 * Reads the data of a job once; all targets share the facts.
 * @throws Failure as `inspectSources` and `checkRunSpec`
 */
export async function inspectJobData(spec: RunSpec, bringer: Bringer): Promise<DataFacts> {
  checkRunSpec(spec);
  return await inspectSources({ ...spec.data, task: parseRowTask(spec.task) }, bringer);
}

/** @throws Failure `job-file-invalid` for a task, measure, column or prompt that does not fit the rest. */
export function checkRunSpec(spec: RunSpec): void {
  const task = parseRowTask(spec.task);
  const { measure } = spec.evaluation;
  const measures = getMeasureNames(task);
  if (!measures.includes(measure)) {
    const expected = `evaluation.measure: expected ${measures.join(' or ')} for the task "${task}"`;
    throw new Failure('job-file-invalid', `${expected}, found "${measure}"`);
  }
  const { columns, testColumns = {} } = spec.data;
  for (const own of [columns, ...Object.values(testColumns)]) {
    const column = Object.keys(own).find((name) => !taskColumns[task].includes(isLabelColumn(name) ? 'labels' : name));
    if (column === undefined) continue;
    const expected = `data.columns: expected only ${taskColumns[task].join(', ')} for the task "${task}"`;
    throw new Failure('job-file-invalid', `${expected}, found "${isLabelColumn(column) ? 'labels' : column}"`);
  }
  checkPrompt(spec);
}

function checkPrompt({ task, prompt, data }: RunSpec): void {
  if (prompt === null || prompt === undefined) return;
  if (task !== 'classification' && task !== 'multi-label') {
    throw new Failure(
      'job-file-invalid',
      `prompt: expected none for the task "${task}", whose rows are ${task === 'regression' ? 'read as they are' : 'messages already'}`,
    );
  }
  if (prompt.template !== undefined) checkTemplate(prompt.template, data.columns['text2'] !== undefined);
}

/** The model that a run begins with. @throws Failure `model-invalid`, `file-missing` for a folder that cannot be used */
export function readBaseModel({ model }: RunSpec): BaseModel {
  if (model.kind !== 'folder') return { base: model.name, revision: model.kind === 'hub' ? model.revision : null, maxLength: null };
  const { revision, maxPositions, parameters } = readModelFolder(model.path);
  return { base: model.path, revision, maxLength: maxPositions, parameters };
}

/** An optional setting that cannot be followed is a note; a required one is an error. */
function checkRequirements(spec: RunSpec, notes: readonly Note[]): void {
  const required = new Set(spec.requirements.map((field) => `training.${field}`));
  const broken = notes.filter((note) => note.type === 'unsupported').filter((note) => required.has(note.field));
  if (broken.length === 0) return;
  const lines = broken.map(({ field, value, why }) => `target "${spec.target}" cannot follow ${field} = ${JSON.stringify(value)}: ${why}`);
  throw new Failure('job-file-invalid', lines.join('\n'), {
    hint: 'move the field from the target to the job (or remove "strict"): then it is optional, and a target that cannot follow it ignores it',
  });
}

/** What a job may spend, has spent, and would spend for its planned runs. */
export interface BudgetView extends Spending {
  /** `budget.usd` of the job file; null: no limit. */
  readonly budgetUsd: number | null;
  /** What may still be spent; null: no limit. Below 0 where something cost more than was reserved for it. */
  readonly leftUsd: number | null;
  /** The most that the planned runs would add, without those that were accepted before; null where a price is not known. */
  readonly neededUsd: number | null;
}

/** What is left of the budget for the plans of one job; changes nothing. */
export async function readBudget(store: Store, plans: readonly RunPlan[]): Promise<BudgetView> {
  const { job, workspace, budget } = plans[0]!.spec;
  const spending = await readSpending(store, job, workspace);
  const prices = (await findNewPlans(store, plans)).map(({ quote }) => quote?.high ?? null);
  const neededUsd = prices.reduce<number | null>((sum, price) => (sum === null || price === null ? null : sum + price), 0);
  const leftUsd = budget.usd === null ? null : budget.usd - spending.spentUsd - spending.reservedUsd;
  return { ...spending, budgetUsd: budget.usd, leftUsd, neededUsd };
}

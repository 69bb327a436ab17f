import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, isFailure } from '../errors.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import { readModelFolder } from '../trainer/model-folder.ts';
import type { Context, GenerationSettings } from '../provider/context.ts';
import type { FolderModel, ModelRef, RepositoryModel } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import type { RunPlan } from '../run/event.ts';
import { toRunId } from '../run/record.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { Workspace } from '../run/workspace.ts';

/** What decides how rows are put to a model, beside the model itself. */
export interface PromptSettings {
  readonly task: RunSpec['task'];
  readonly prompt: RunSpec['prompt'];
  /** Of the training rows; none for a task without labels. */
  readonly labels: readonly string[];
  readonly generation: GenerationSettings;
  /** Rows that may be answered at once. */
  readonly concurrency: number;
}

/** Whether models of this task, on this machine, read texts; all others read messages. */
export function readsTexts(task: PromptSettings['task']): boolean {
  return task === 'classification' || task === 'multi-label' || task === 'regression';
}

/** A model with everything that decides its answers. */
export interface ModelClient {
  readonly provider: Provider;
  readonly model: ModelRef;
  readonly settings: PromptSettings;
  /** Where a model in a repository is downloaded to. */
  readonly cacheFolder: string;
  /** The run that has to be deployed before its model answers; null where that is not needed. */
  readonly undeployedRun: string | null;
}

/** Used where neither the job nor the user names a number. */
export const defaultConcurrency = 8;

/** The longest answer of a chat where nobody names another number, in tokens. */
const defaultChatTokens = 1024;

/** Some models begin an answer with white space, quotes or a word of their own. */
const leastLabelTokens = 16;
const labelMargin = 8;

/**
 * The longest answer in tokens, where nobody names a number: what the longest label may need, and more, or all labels in one list; without
 * labels a fixed number.
 * Every token of these services is at least one byte, so that no label has more tokens than bytes.
 */
export function getDefaultMaxTokens(labels: readonly string[], isMultiLabel = false): number {
  if (labels.length === 0) return defaultChatTokens;
  const lengths = labels.map((label) => Buffer.byteLength(label) + labelMargin);
  return isMultiLabel ? lengths.reduce((sum, length) => sum + length, leastLabelTokens) : Math.max(leastLabelTokens, ...lengths);
}

export function getPromptSettings({ spec, facts }: Pick<RunPlan, 'spec' | 'facts'>): PromptSettings {
  const { generation, concurrency } = spec.evaluation;
  const { labels } = facts;
  return {
    task: spec.task,
    prompt: spec.prompt,
    labels,
    generation: { ...generation, maxTokens: generation.maxTokens ?? getDefaultMaxTokens(labels, spec.task === 'multi-label') },
    concurrency: concurrency ?? defaultConcurrency,
  };
}

/** The runs that have a tuned model. @throws Failure `run-not-found` where none has one */
export function filterTuned(runs: readonly StoredRun[], address: string): [StoredRun, ...StoredRun[]] {
  const [first, ...others] = runs.filter(({ record }) => record.artifacts.length > 0);
  if (first !== undefined) return [first, ...others];
  throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
}

/** The tuned model of a run, under the name of its deployment where it has one: its answers are stored under the same key. */
export function getTunedClient({ dir, provider }: Pick<Workspace, 'dir' | 'provider'>, { key, record }: StoredRun): ModelClient {
  const { plan, artifacts, deployment } = record;
  const model = deployment?.model ?? artifacts[0]!.model;
  const isUndeployed = model.kind === 'endpoint' && model.needsDeployment === true && deployment?.model == null;
  return {
    provider: provider(plan.spec.provider, plan.spec.target),
    model,
    settings: getPromptSettings(plan),
    cacheFolder: getCacheFolder(dir, key, 'model'),
    undeployedRun: isUndeployed ? toRunId(record) : null,
  };
}

/** A model of a service as the user names it. */
export interface ServiceModelName {
  readonly provider: string;
  readonly model: string;
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** Where: `references.old`, `--provider`. */
  readonly place: string;
}

/**
 * A model of a service that no run has made.
 * @throws Failure of the provider, and `job-file-invalid` for a provider that answers only with its tuned models
 */
export function findServiceModel(
  workspace: Workspace,
  { provider: id, model: name, options, place }: ServiceModelName,
): Omit<ModelClient, 'settings'> {
  const provider = withPlace(place, () => workspace.provider(id, place));
  if (options !== undefined && provider.inference?.takesOptions !== true) {
    throw new Failure('job-file-invalid', `${place}.options: the provider "${id}" takes none for a model`);
  }
  const model = withPlace(place, () => provider.inference?.getModel?.(name, workspace.context, options));
  if (model === undefined || (model.kind === 'repository' ? provider.inference?.download : provider.inference?.predict) === undefined) {
    throw new Failure('job-file-invalid', `${place}: the provider "${id}" answers only with models that it has tuned`, {
      hint: 'a reference can also be a file of answers ({"predictions": "./old.jsonl"}) or a command ({"command": ["python", "answer.py"]})',
    });
  }
  const cacheFolder = getCacheFolder(workspace.dir, hashJson(model.identity).slice(0, 32), 'model');
  return { provider, model, cacheFolder, undeployedRun: null };
}

/** Adds the place to a failure that does not know it, or takes it for a target. */
function withPlace<T>(place: string, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!isFailure(error)) throw error;
    const message = error.message.replace(`targets.${place}: `, '');
    throw new Failure(error.code, `${place}: ${message}`, { ...(error.hint !== null && { hint: error.hint }), error });
  }
}

/** Where a model in a repository is downloaded to: whole or absent. `key` is a run's key, or names a model that no run has made. */
export function getCacheFolder(dir: string, key: string, name: 'model' | 'base'): string {
  return join(dir, 'runs', key, name);
}

/** Why a model can answer no row; null where it can. */
export function findPredictProblem({ inference }: Provider, model: ModelRef): string | null {
  if (model.kind !== 'repository') return inference?.predict === undefined ? 'its provider answers no rows' : null;
  if (inference?.download === undefined) return 'its provider cannot download its model to this machine';
  return model.labels.length > 0 ? null : 'its model writes text, and this machine can run classifiers only';
}

/**
 * A model in a repository as a folder of this machine, downloaded once. Whatever an interrupted download has brought is kept for the
 * next one.
 * @throws Failure of the provider, and `model-invalid` for a model that this machine cannot run
 */
export async function downloadModel(
  { provider, cacheFolder }: { readonly provider: Provider; readonly cacheFolder: string },
  model: RepositoryModel,
  context: Context,
): Promise<FolderModel> {
  if (!existsSync(cacheFolder)) {
    const partial = `${cacheFolder}.partial`;
    await provider.inference!.download!(model, partial, context);
    await rename(partial, cacheFolder).catch(async (error: unknown) => {
      if (!existsSync(cacheFolder)) throw error;
      await rm(partial, { recursive: true, force: true }); // another process was faster
    });
  }
  const folder = readModelFolder(cacheFolder);
  const labels = model.labels.length > 0 ? model.labels : (folder.labels ?? []);
  if (labels.length === 0) {
    throw new Failure('model-invalid', `${model.repository} is no classifier, and this machine can run classifiers only`);
  }
  const several = folder.isMultiLabel ? { isMultiLabel: true as const } : {};
  return { kind: 'folder', identity: model.identity, path: cacheFolder, labels, ...several, seed: 0, maxLength: model.maxLength };
}

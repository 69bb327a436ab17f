import type { Context, GenerationSettings } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { toModelName } from '../provider/model-name.ts';
import type { Columns } from '../dataset/row.ts';
import { Failure, isFailure } from '../errors.ts';
import { findNewestRuns } from '../run/find-runs.ts';
import { inspectJobData } from '../run/plan.ts';
import { toRunId } from '../run/run-view.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { readJobFile, type JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import type { Store } from '../store/open-store.ts';
import { defaultConcurrency, getPromptSettings, type ModelClient, type PromptSettings } from './prompt-settings.ts';
import { toTunedModel } from './check-deployed.ts';
import { findPredictProblem, getCacheFolder } from './model-cache.ts';
import type { SpendLimit } from './pay-for-answers.ts';
import { hashJson } from '../lib/json.ts';

/** What names a model whose answers are to be kept. */
export interface CaptureModel {
  /** Path of a job file, whose references the name may be one of, and which says how its rows are asked. */
  readonly job?: string | undefined;
  /** A service and a model of it: then the name is free. */
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  /** How the answers of such a model are generated where no job file says so. */
  readonly generation?: GenerationSettings | undefined;
}

export interface CaptureWorkspace {
  readonly store: Store;
  /** The state folder. */
  readonly dir: string;
  readonly context: Context;
  provider(id: string, target: string): Provider;
}

/** A model with all that decides what it is asked, and whose money its answers cost. */
export interface CaptureSource {
  /** As a job file can call it. */
  readonly name: string;
  /** What requests call the model; the run's address where there are none. */
  readonly called: string;
  readonly client: ModelClient;
  /** By our names: how the data calls its columns. */
  readonly columns: Columns;
  readonly account: Pick<SpendLimit, 'job' | 'workspace' | 'budgetUsd'>;
}

/**
 * The model of a name: the one that is given, else a reference of the job file, else the tuned model of a run.
 * @throws Failure `usage`, `run-not-found`, `model-unavailable`, and of reading the job file and its data
 */
export async function findCaptured(workspace: CaptureWorkspace, name: string, options: CaptureModel): Promise<CaptureSource> {
  const { provider, model, generation } = options;
  const job = options.job === undefined ? null : await readJobFile(options.job);
  if ((provider === undefined) !== (model === undefined)) throw new Failure('usage', 'expected --provider and --model together');
  if (generation !== undefined && (model === undefined || job !== null)) {
    throw new Failure('usage', 'expected settings of the answers with --provider and --model only', {
      hint: 'a job file says so in evaluation.generation',
    });
  }
  if (provider !== undefined && model !== undefined)
    return await toGiven(workspace, { name, provider, model, job, generation, place: '--provider' });
  const reference = job?.spec.references?.[name];
  if (job === null || reference === undefined) return await findTuned(workspace, name, job);
  if ('provider' in reference) return await toGiven(workspace, { name, ...reference, job, generation, place: `references.${name}` });
  const kind = 'predictions' in reference ? `a file of answers already: ${reference.predictions}` : 'a command';
  throw new Failure('usage', `${job.path}: expected references.${name} to be a model of a service, found ${kind}`);
}

interface NamedModel {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly job: JobFile | null;
  readonly generation: GenerationSettings | undefined;
  /** Where the provider is named. */
  readonly place: string;
}

async function toGiven(workspace: CaptureWorkspace, given: NamedModel): Promise<CaptureSource> {
  const { name, job, generation = {}, place } = given;
  if (!/^[a-z0-9-]{1,32}$/.test(name)) {
    throw new Failure('usage', `expected a name of 1 to 32 characters of a-z, 0-9 and "-" for the model, found ${JSON.stringify(name)}`);
  }
  const provider = findProvider(workspace, given.provider, place);
  const model = provider.inference?.getModel?.(given.model, workspace.context);
  if (model === undefined) throw new Failure('usage', `${place}: expected a provider with models of its own, found "${given.provider}"`);
  const called = given.model;
  const cache = getCacheFolder(workspace, hashJson(model.identity).slice(0, 32), 'model');
  if (job === null) {
    const settings: PromptSettings = { task: 'chat', prompt: null, labels: [], generation, concurrency: defaultConcurrency };
    // No job's name has a colon: this account is nobody else's.
    const account = { job: `capture:${name}`, workspace: null, budgetUsd: null };
    return toCaptured({ name, called, client: { provider, model, settings, cache }, columns: {}, account });
  }
  const spec = resolveTarget(job.spec, Object.keys(job.spec.targets)[0]!, job.folder); // what all its targets share
  const settings = getPromptSettings({ spec, facts: await inspectJobData(spec) });
  return toCaptured({ name, called, client: { provider, model, settings, cache }, columns: spec.data.columns, account: toAccount(spec) });
}

/** The composition root names the target in its failure, and here is none. */
function findProvider({ provider }: CaptureWorkspace, id: string, place: string): Provider {
  try {
    return provider(id, place);
  } catch (error) {
    throw isFailure(error) ? new Failure(error.code, error.message.replace(`targets.${place}`, place)) : error;
  }
}

async function findTuned(workspace: CaptureWorkspace, address: string, job: JobFile | null): Promise<CaptureSource> {
  const runs = await findNewestRuns(workspace.store, address).catch((error: unknown) => {
    throw isFailure(error, 'run-not-found') ? toUnknownFailure(address, job) : error;
  });
  const [run, ...others] = runs.filter(({ record }) => record.artifacts.length > 0);
  if (run === undefined) {
    throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
  }
  if (others.length > 0) {
    const names = [run, ...others].map(({ record }) => toRunId(record)).join(', ');
    throw new Failure('usage', `expected one model, found that "${address}" names several: ${names}`);
  }
  const { key, record } = run;
  const { spec } = record.plan;
  const provider = workspace.provider(spec.provider, spec.target);
  const model = toTunedModel(run);
  const client = { provider, model, settings: getPromptSettings(record.plan), cache: getCacheFolder(workspace, key, 'model') };
  const called = model.kind === 'endpoint' ? model.name : toRunId(record);
  const name = toRunId(record)
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 32);
  return toCaptured({ name, called, client, columns: spec.data.columns, account: toAccount(spec) });
}

function toUnknownFailure(name: string, job: JobFile | null): Failure {
  const references = Object.keys(job?.spec.references ?? {});
  const of = job === null ? 'a job file' : `${job.path}, which has ${references.length === 0 ? 'none' : references.join(', ')}`;
  return new Failure('run-not-found', `expected a reference of ${of}, or a run such as "job/target", found "${name}"`, {
    hint: '--provider and --model name any other model of a service; --job names the job file',
  });
}

function toAccount({ job, workspace, budget }: RunSpec): CaptureSource['account'] {
  return { job, workspace, budgetUsd: budget.usd };
}

/** @throws Failure `model-unavailable` */
function toCaptured(captured: CaptureSource): CaptureSource {
  const { provider, model } = captured.client;
  const mute = findPredictProblem(provider, model);
  if (mute === null) return captured;
  throw new Failure('model-unavailable', `${toModelName(model)} answers no rows: ${mute}`);
}

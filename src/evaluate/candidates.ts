import { hashJson } from '../lib/json.ts';
import type { ModelRef } from '../provider/model.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunId, toRunView } from '../run/run-view.ts';
import type { Command } from './command.ts';
import type { CandidateAnswers } from './comparison.ts';
import { getCacheFolder } from './model-cache.ts';
import type { FilePrediction } from './predictions-file.ts';
import { buildRequest, getPromptSettings, type InputRow, type ModelClient, type RequestBatch } from './requests.ts';
import type { Workspace } from '../run/workspace.ts';

/** A model, command or file that is scored on the held-out rows. */
export interface Candidate {
  readonly name: string;
  readonly kind: Exclude<CandidateAnswers['kind'], 'majority'>;
  /** The run's address, or null. */
  readonly run: string | null;
  readonly source: ModelSource | CommandSource | FileSource;
}

/** A model, with one request for each row. */
export interface ModelSource extends RequestBatch {
  readonly type: 'model';
  /** What its training cost, in dollars; null where that is not known. */
  readonly trainingUsd: number | null;
}

/** A command of the user's, with one request for each row. */
export interface CommandSource extends Pick<RequestBatch, 'requests'> {
  readonly type: 'command';
  readonly command: Command;
}

/** The answers of a predictions file to the rows, in their order; null where the file has none. */
export interface FileSource {
  readonly type: 'file';
  readonly answers: readonly (FilePrediction | null)[];
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

/**
 * The models of finished runs, each after the model that it was tuned from. Runs that begin with the same model share it: its requests
 * are sent once.
 */
export function buildRunCandidates(workspace: Workspace, runs: readonly StoredRun[], rows: readonly InputRow[]): Candidate[] {
  const { dir, context } = workspace;
  const pairs = runs.map((run) => {
    const { plan } = run.record;
    const client = getTunedClient(workspace, run);
    const source = buildSource(client, rows, toRunView(run, context.now()).cost.actual);
    const tuned: Candidate = { name: plan.spec.target, kind: 'tuned', run: toRunId(run.record), source };
    const model = client.provider.training.baseModel?.(plan.request, context) ?? null;
    if (model === null) return { tuned, base: null, identity: null };
    const base = buildSource({ ...client, model, cacheFolder: getCacheFolder(dir, run.key, 'base'), undeployedRun: null }, rows, 0);
    return { tuned, base, identity: hashJson(base.requests.map(({ id }) => id)) };
  });
  const groups = Map.groupBy(pairs, ({ identity }) => identity);
  return pairs.flatMap((pair): Candidate[] => {
    const { tuned, base, identity } = pair;
    const sharing = groups.get(identity)!;
    if (base === null || sharing[0] !== pair) return [tuned];
    const names = sharing.map(({ tuned: { name } }) => name);
    return [{ name: formatBaseName(base.client.model, names, runs.length === 1), kind: 'untrained', run: null, source: base }, tuned];
  });
}

export function buildSource(client: ModelClient, rows: readonly InputRow[], trainingUsd: number | null): ModelSource {
  return { type: 'model', client, requests: rows.map((row) => buildRequest(client, row)), trainingUsd };
}

function formatBaseName({ kind }: ModelRef, runNames: readonly string[], isOnly: boolean): string {
  if (kind === 'endpoint') return `base of ${runNames.join(' and ')}`;
  return isOnly ? 'untrained head' : `untrained head of ${runNames[0]!}`;
}

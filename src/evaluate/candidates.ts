import { buildQuestion } from '../dataset/chat.ts';
import { isFailure } from '../errors.ts';
import type { ReferenceSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import type { ModelRef } from '../provider/model.ts';
import { toRunId } from '../run/record.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunView } from '../run/run-view.ts';
import type { Workspace } from '../run/workspace.ts';
import { buildCommandRequests, type Command } from './command.ts';
import type { CandidateAnswers } from './comparison.ts';
import { findServiceModel, getCacheFolder, getTunedClient, type ModelClient, type PromptSettings } from './models.ts';
import { hashInput, readPredictionsFile, type FilePrediction } from './predictions-file.ts';
import { buildRequest, toInput, type InputRow, type RequestBatch } from './requests.ts';

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
    const { model } = base.client;
    return [
      { name: formatBaseName(model, names, runs.length === 1), kind: hasOwnHead(model) ? 'base' : 'untrained', run: null, source: base },
      tuned,
    ];
  });
}

function buildSource(client: ModelClient, rows: readonly InputRow[], trainingUsd: number | null): ModelSource {
  return { type: 'model', client, requests: rows.map((row) => buildRequest(client, row)), trainingUsd };
}

/** Whether it knew the labels before any training of ours. */
function hasOwnHead(model: ModelRef): boolean {
  return model.kind === 'folder' && model.hasOwnHead === true;
}

function formatBaseName(model: ModelRef, runNames: readonly string[], isOnly: boolean): string {
  if (model.kind === 'endpoint') return `base of ${runNames.join(' and ')}`;
  const name = hasOwnHead(model) ? 'base model' : 'untrained head';
  return isOnly ? name : `${name} of ${runNames[0]!}`;
}

/** The references of a job as candidates. */
export interface References {
  readonly candidates: readonly Candidate[];
  /** Their names in a comparison, also of those that are left out. */
  readonly names: readonly string[];
  readonly notes: readonly string[];
}

/** The rows that the references answer, and how models are asked. */
export interface ReferenceRows {
  readonly rows: readonly InputRow[];
  readonly settings: PromptSettings;
  /** Names that other candidates have already. */
  readonly takenNames: readonly string[];
}

export interface ReferenceOptions {
  readonly references: Readonly<Record<string, ReferenceSpec>>;
  /** The reference that the user names. */
  readonly wanted?: string | undefined;
  /** Leaves out a reference that cannot be used, with a note, instead of failing; but not the one that is wanted. */
  readonly isLenient: boolean;
}

/**
 * What each reference answers, or has answered. A file that has none of the rows is left out, with a note.
 * @throws Failure as `findServiceModel` and `readPredictionsFile`
 */
export async function findReferences(
  workspace: Workspace,
  { rows, settings, takenNames }: ReferenceRows,
  { references, wanted, isLenient }: ReferenceOptions,
): Promise<References> {
  const candidates: Candidate[] = [];
  const names: string[] = [];
  const notes: string[] = [];
  for (const [key, spec] of Object.entries(references)) {
    const name = takenNames.includes(key) ? `${key} (reference)` : key;
    const add = (source: Candidate['source']): unknown => candidates.push({ name, kind: 'reference', run: null, source });
    names.push(name);
    try {
      if ('command' in spec) {
        const command = { name, words: spec.command, folder: spec.folder, env: spec.env ?? [] };
        add({ type: 'command', command, requests: await buildCommandRequests(command, rows) });
      } else if ('predictions' in spec) {
        const known = await readPredictionsFile(spec.predictions);
        const answers = rows.map((row) => findAnswer(known, row, settings));
        const missing = answers.filter((answer) => answer === null).length;
        if (missing === rows.length) notes.push(`${name}: none of the ${rows.length} rows is in ${spec.predictions}: it is left out`);
        else add({ type: 'file', answers });
        if (missing > 0 && missing < rows.length) notes.push(`${name}: ${missing} of ${rows.length} rows are not in ${spec.predictions}`);
      } else add(buildSource({ ...findServiceModel(workspace, { ...spec, place: `references.${key}` }), settings }, rows, 0));
    } catch (error) {
      if (!isLenient || key === wanted || !isFailure(error)) throw error;
      notes.push(`${name} is left out: ${error.message}`);
    }
  }
  return { candidates, names, notes };
}

/**
 * A row of a classification may have been answered as it is, as the chat that the job makes of it, or as one with the job's system
 * message alone: logs of a service may lack the list of labels.
 */
function findAnswer(known: ReadonlyMap<string, FilePrediction>, row: InputRow, settings: PromptSettings): FilePrediction | null {
  const asRow = known.get(hashInput(toInput(row)));
  if (asRow !== undefined || !('text' in row)) return asRow ?? null;
  const messages = buildQuestion(row, settings);
  const { prompt } = settings;
  const system = prompt?.system ? [{ role: 'system', content: prompt.system }] : [];
  const bare = [...system, ...messages.filter(({ role }) => role === 'user')];
  return known.get(hashInput({ messages })) ?? known.get(hashInput({ messages: bare })) ?? null;
}

import type { ClassificationRow } from '../dataset/row.ts';
import { toPromptMessages } from '../dataset/to-chat.ts';
import { Failure, isFailure } from '../errors.ts';
import type { ReferenceSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import { buildSource, type Candidate } from './candidates.ts';
import { buildCommandRequests } from './command.ts';
import { getCacheFolder } from './model-cache.ts';
import { hashInput, readPredictionsFile, type FilePrediction } from './predictions-file.ts';
import { toInput, type InputRow, type ModelClient, type PromptSettings } from './requests.ts';
import type { Workspace } from '../run/workspace.ts';

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
        const command = { name, words: spec.command, folder: spec.folder };
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

interface NamedModel {
  readonly provider: string;
  readonly model: string;
  /** Where the user names it: `references.old`. */
  readonly place: string;
}

/**
 * A model of a service that no run has made.
 * @throws Failure of the provider, and `job-file-invalid` for a provider that answers only with its tuned models
 */
export function findServiceModel(workspace: Workspace, { provider: id, model: name, place }: NamedModel): Omit<ModelClient, 'settings'> {
  const provider = withPlace(place, () => workspace.provider(id, place));
  const model = withPlace(place, () => provider.inference?.getModel?.(name, workspace.context));
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

/**
 * A row of a classification may have been answered as it is, as the chat that the job makes of it, or as one with the job's system
 * message alone: logs of a service may lack the list of labels.
 */
function findAnswer(known: ReadonlyMap<string, FilePrediction>, row: InputRow, { prompt, labels }: PromptSettings): FilePrediction | null {
  const asRow = known.get(hashInput(toInput(row)));
  if (asRow !== undefined || !isText(row)) return asRow ?? null;
  const messages = toPromptMessages(row, prompt, labels);
  const system = prompt?.system ? [{ role: 'system', content: prompt.system }] : [];
  const bare = [...system, ...messages.filter(({ role }) => role === 'user')];
  return known.get(hashInput({ messages })) ?? known.get(hashInput({ messages: bare })) ?? null;
}

function isText(row: InputRow): row is Omit<ClassificationRow, 'label'> {
  return 'text' in row;
}

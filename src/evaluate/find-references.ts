import { buildPromptMessages } from '../dataset/chat.ts';
import type { ClassificationRow } from '../dataset/row.ts';
import { Failure, isFailure } from '../errors.ts';
import type { ReferenceSpec } from '../job/run-spec.ts';
import { toCommandQuestions, type CommandEntrant } from './ask-command.ts';
import type { PromptSettings } from './prompt-settings.ts';
import type { Candidate_ } from './candidates.ts';
import type { EvaluationWorkspace, HeldOut } from './held-out.ts';
import { getCacheFolder } from './model-cache.ts';
import { readPredictionsFile, toInput, toInputHash, type KeptPrediction } from './predictions-file.ts';
import { toQuestion, type AskedRow } from './to-question.ts';
import { hashJson } from '../lib/json.ts';

/** Answers of a predictions file to the held-out rows, in their order; null where the file has none. */
export interface FileEntrant {
  readonly name: string;
  readonly answers: readonly (KeptPrediction | null)[];
}

/** The references of a job, by what they are. */
export interface References {
  readonly models: readonly Candidate_[];
  readonly commands: readonly CommandEntrant[];
  readonly files: readonly FileEntrant[];
  /** All of them by their names in a comparison, also those that are left out. */
  readonly names: readonly string[];
  readonly notes: readonly string[];
}

export interface ReferencesToFind {
  readonly specs: Readonly<Record<string, ReferenceSpec>>;
  /** Leaves out, and names, what cannot be used, instead of failing; not so the one that is `wanted`. */
  readonly isLenient: boolean;
  readonly wanted?: string | undefined;
}

/** The rows that references are asked, how models are asked them, and the runs beside which they stand. */
type Asked = Pick<HeldOut, 'rows' | 'settings' | 'entrants'>;

/**
 * What a job's references are asked of the held-out rows, or have answered. A file that has none of the rows is left out and named.
 * @throws Failure of the provider, of `readPredictionsFile`, and `job-file-invalid` for a provider that has no such models
 */
export async function findReferences(
  workspace: EvaluationWorkspace,
  { specs, isLenient, wanted }: ReferencesToFind,
  asked: Asked,
): Promise<References> {
  const models: Candidate_[] = [];
  const commands: CommandEntrant[] = [];
  const files: FileEntrant[] = [];
  const names: string[] = [];
  const notes: string[] = [];
  for (const [key, spec] of Object.entries(specs)) {
    const name = asked.entrants.some((entrant) => entrant.name === key) ? `${key} (reference)` : key;
    names.push(name);
    try {
      if ('command' in spec) {
        const command = { words: spec.command, folder: spec.folder };
        commands.push({ name, command, questions: await toCommandQuestions(command, asked.rows) });
      } else if ('predictions' in spec) {
        const { answers, note } = await readAnswersOf(spec.predictions, asked);
        if (note !== null) notes.push(`${name}: ${note}`);
        if (answers !== null) files.push({ name, answers });
      } else models.push(toModelEntrant(workspace, { key, name, ...spec }, asked));
    } catch (error) {
      if (!isLenient || key === wanted || !isFailure(error)) throw error;
      notes.push(`${name} is left out: ${error.message}`);
    }
  }
  return { models, commands, files, names, notes };
}

function toModelEntrant(
  workspace: EvaluationWorkspace,
  { key, name, provider: id, model: modelName }: { key: string; name: string; provider: string; model: string },
  { rows, settings }: Asked,
): Candidate_ {
  const provider = naming(key, () => workspace.provider(id, key));
  const model = naming(key, () => provider.inference?.getModel?.(modelName, workspace.context));
  if (model === undefined || (model.kind === 'repository' ? provider.inference?.download : provider.inference?.predict) === undefined) {
    throw new Failure('job-file-invalid', `references.${key}: the provider "${id}" answers with no models but those that it has tuned`, {
      hint: 'give its answers as a file ({"predictions": "./old.jsonl"}) or a command that answers ({"command": ["python", "answer.py"]})',
    });
  }
  const client = { provider, model, settings, cache: getCacheFolder(workspace, hashJson(model.identity).slice(0, 32), 'model') };
  const questions = rows.map((row) => toQuestion(client, row));
  return { name, kind: 'reference', run: null, client, questions, trainingUsd: 0 };
}

/** What fails without knowing for whom names the reference. */
function naming<T>(reference: string, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!isFailure(error)) throw error;
    const message = error.message.replace(`targets.${reference}: `, '');
    throw new Failure(error.code, `references.${reference}: ${message}`, error.hint === null ? { error } : { hint: error.hint, error });
  }
}

async function readAnswersOf(
  path: string,
  { rows, settings }: Asked,
): Promise<{ answers: FileEntrant['answers'] | null; note: string | null }> {
  const kept = await readPredictionsFile(path);
  const answers = rows.map((row) => findAnswer(kept, row, settings));
  const missing = answers.filter((answer) => answer === null).length;
  if (missing === rows.length) return { answers: null, note: `none of the ${rows.length} rows is in ${path}: it is left out` };
  return { answers, note: missing === 0 ? null : `${missing} of ${rows.length} rows are not in ${path}` };
}

/**
 * A row of a classification may have been answered as it is, as the chat that the job makes of it, or as one with the job's system
 * message alone: who asked elsewhere has not added the labels to it.
 */
function findAnswer(kept: ReadonlyMap<string, KeptPrediction>, row: AskedRow, { prompt, labels }: PromptSettings): KeptPrediction | null {
  const asRow = kept.get(toInputHash(toInput(row)));
  if (asRow !== undefined || !isClassified(row)) return asRow ?? null;
  const messages = buildPromptMessages(row, prompt, labels);
  const system = prompt?.system ? [{ role: 'system', content: prompt.system }] : [];
  const bare = [...system, ...messages.filter(({ role }) => role === 'user')];
  return kept.get(toInputHash({ messages })) ?? kept.get(toInputHash({ messages: bare })) ?? null;
}

function isClassified(row: AskedRow): row is Omit<ClassificationRow, 'label'> {
  return 'text' in row;
}

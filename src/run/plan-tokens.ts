/** Tokens of the training rows of a plan, as its target's model counts them. */
import { existsSync } from 'node:fs';
import { isFailure } from '../errors.ts';
import type { Note } from '../provider/note.ts';
import type { Provider } from '../provider/provider.ts';
import type { RunPlan } from './event.ts';
import { createRowReader } from './run-data.ts';
import type { Workspace } from './workspace.ts';

export interface PlanTokens {
  /** In one pass over all training rows; an estimate where only some were counted. */
  readonly all: number;
  /** Rows that were counted: the first ones. */
  readonly countedRows: number;
  /** Longer rows are cut; null: no limit is known. */
  readonly limit: number | null;
  /** Of the counted rows. */
  readonly cutRows: number;
}

/** So many characters are counted, which takes about a second: `data check --tokenizer` counts all. */
const mostCharacters = 500_000;

/** Null where the model's tokenizer is not on this machine, not known, or refuses the rows: nothing is downloaded. */
export async function countPlanTokens(workspace: Place, provider: Counter, plan: RunPlan): Promise<PlanTokens | null> {
  return await countTokens(workspace, provider, plan).catch((error: unknown) => {
    if (isFailure(error, 'data-invalid') || isFailure(error, 'model-invalid')) return null; // `data check --tokenizer` says why
    throw error;
  });
}

type Place = Pick<Workspace, 'dir' | 'context'>;
type Counter = Pick<Provider, 'loadTokenizer'>;

async function countTokens({ dir, context }: Place, provider: Counter, plan: RunPlan): Promise<PlanTokens | null> {
  const { facts, model, quote, notes, spec } = plan;
  const folder = model.folder ?? (spec.model.kind === 'folder' ? spec.model.path : null);
  if (spec.model.kind !== 'service' && (folder === null || !existsSync(folder))) return null;
  const tokenizer = await provider.loadTokenizer?.(folder === null ? spec.model : { kind: 'folder', path: folder }, context);
  if (tokenizer === null || tokenizer === undefined) return null;
  const limit = findMaxLength(notes) ?? tokenizer.limit;
  const { rows, longestCharacters } = facts.train;
  const known = quote?.trainingTokens;
  // A token has a character or more, and few are written around the texts.
  if (known !== undefined && (limit === null || longestCharacters * 2 < limit)) return { all: known, countedRows: rows, limit, cutRows: 0 };
  let [all, countedRows, cutRows, characters] = [0, 0, 0, 0];
  for await (const row of createRowReader(dir, { facts, spec }, context)('train')) {
    const tokens = tokenizer.count(row, { answers: 'all', labels: facts.labels }).all;
    all += tokens;
    countedRows++;
    if (limit !== null && tokens > limit) cutRows++;
    characters += JSON.stringify(row).length;
    if (characters > mostCharacters) break;
  }
  if (countedRows === 0) return null;
  return { all: known ?? Math.round((all / countedRows) * rows), countedRows, limit, cutRows };
}

/** What the target will use: the job's, or its own choice. */
function findMaxLength(notes: readonly Note[]): number | null {
  const note = notes.find((one) => 'field' in one && one.field === 'training.maxLength' && one.type !== 'unsupported');
  return note !== undefined && 'value' in note && typeof note.value === 'number' ? note.value : null;
}

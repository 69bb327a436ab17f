import type { Training } from '../job/job-spec.ts';
import { omitUndefined } from '../lib/json.ts';
import { readFlag, readNumber, readText, type Source } from './source.ts';
import { changesTraining } from './unmatched.ts';

/** Where a setting of the source is, or would be. */
export type FindPath = (name: string) => string;

/** The source's name for a number that means the same under ours, and its program's default; null where only the program knows it. */
export type NumberRow = readonly [theirs: string, otherwise?: number | null];

export const defaultText = "the default of the source's program";
export const serviceText = 'the service decides, and another target may decide differently';

/** The numbers of a table, by our fields of `training`. Their ranges are not checked here: `parseConfig` checks the whole job. */
export function readNumbers<F extends string>(
  source: Source,
  find: FindPath,
  table: { readonly [G in F]?: NumberRow },
): { [G in F]?: number } {
  const numbers: { [G in F]?: number } = {};
  for (const [field, [theirs, otherwise]] of Object.entries(table) as [F, NumberRow][]) {
    const path = find(theirs);
    if (otherwise !== undefined && source.get(path) === undefined) {
      source.assume(path, `training.${field}`, { value: otherwise, text: otherwise === null ? serviceText : defaultText });
    }
    const value = readNumber(source, path);
    if (field === 'maxGradNorm' && value === 0) {
      source.drop(path, `${changesTraining}: 0 means that gradients are not clipped, which a job cannot express`);
    } else if (field === 'seed' && value !== undefined && value >= 2 ** 31) {
      source.drop(path, `${changesTraining}: a job accepts seeds up to 2147483647`);
    } else if (value !== undefined) {
      source.note(path, `training.${field}`);
      numbers[field] = value;
    }
  }
  return numbers;
}

interface Batch {
  readonly rows: string;
  readonly accumulation: string;
  /** What the program uses for an absent part. */
  readonly defaults: readonly [rows: number, accumulation: number];
}

/** Rows per optimizer step: rows at once, times the gathered steps. */
export function readBatchSize(source: Source, find: FindPath, { rows, accumulation, defaults }: Batch): Training {
  const paths = [find(rows), find(accumulation)];
  const set = paths.map((path) => readNumber(source, path));
  const [atOnce, gathered] = set.map((value, i) => value ?? defaults[i]!) as [number, number];
  const batchSize = atOnce * gathered;
  const text = `rows per optimizer step: ${atOnce} at once x ${gathered} gathered, on one device`;
  const partial = set.includes(undefined) ? '; the absent part is a default' : '';
  for (const path of paths) source.note(path, 'training.batchSize', text + partial);
  if (set.some((value) => value !== undefined)) return { batchSize };
  source.assume(paths[0]!, 'training.batchSize', { value: batchSize, text });
  return {};
}

interface EarlyEnd {
  /** Whether the source has validation rows, without which nothing ends early. */
  readonly hasValidation: boolean;
  readonly patience: NumberRow;
  readonly minDelta: NumberRow;
}

/** An early end by the validation loss, where the source sets a part of it. */
export function readEarlyStopping(source: Source, find: FindPath, { hasValidation, ...parts }: EarlyEnd): Training {
  const paths = [find(parts.patience[0]), find(parts.minDelta[0])];
  if (paths.every((path) => source.get(path) === undefined)) return {};
  if (!hasValidation) {
    for (const path of paths) source.drop(path, `${changesTraining}: a job ends early by its validation rows: set data.validation with it`);
    return {};
  }
  const { 'earlyStopping.patience': patience = parts.patience[1]!, 'earlyStopping.minDelta': minDelta } = readNumbers(source, find, {
    'earlyStopping.patience': parts.patience,
    'earlyStopping.minDelta': parts.minDelta,
  });
  return { earlyStopping: { patience, minDelta: minDelta ?? parts.minDelta[1]! } };
}

/** The schedules of transformers that a job has. All begin with a warm-up but `constant`, which has one in a job. */
const schedules = new Map<string, NonNullable<Training['schedule']>>([
  ['linear', 'linear'],
  ['cosine', 'cosine'],
  ['cosine_warmup', 'cosine'],
  ['constant', 'constant'],
  ['constant_with_warmup', 'constant'],
]);

/** The course of the learning rate, which begins with a warm-up. */
export function readSchedule(source: Source, path: string, readWarmup: () => Training): Training {
  const word = readText(source, path)?.toLowerCase();
  const schedule = schedules.get(word ?? '');
  if (word === 'constant') {
    source.note(path, 'training.schedule', '"constant" of the source has no warm-up: warmupRatio is 0');
    return { schedule: 'constant', warmupRatio: 0 };
  }
  if (schedule !== undefined) {
    source.note(path, 'training.schedule', word === schedule ? null : 'the warm-up is a field of its own');
    return { schedule, ...readWarmup() };
  }
  source.drop(path, `${changesTraining}: another course of the learning rate; a job has linear, cosine and constant`);
  return readWarmup();
}

/** Epochs, or steps where `max_steps` is set: it wins. */
export function readDuration(source: Source, epochs: NumberRow): { readonly epochs?: number; readonly steps?: number } {
  const hasSteps = (readNumber(source, 'max_steps') ?? -1) > 0;
  return hasSteps ? readNumbers(source, String, { steps: ['max_steps'] }) : readNumbers(source, String, { epochs });
}

/** A number of steps becomes a share where the number of all steps is known. */
export function readWarmup(source: Source, steps: number | undefined, otherwise = { value: 0, text: defaultText }): Training {
  const path = 'warmup_steps';
  const warmup = readNumber(source, path) ?? 0;
  const hasRatio = readNumber(source, 'warmup_ratio') !== undefined; // in older versions
  if (warmup === 0 && hasRatio) return readNumbers(source, String, { warmupRatio: ['warmup_ratio'] });
  source.assume(path, 'training.warmupRatio', otherwise);
  if (source.get(path) === undefined) return {};
  const share = warmup < 1 ? warmup : steps === undefined ? Infinity : warmup / steps;
  if (share > 1) {
    source.drop(path, `${changesTraining}: steps are no share while the number of all steps is not known: set training.warmupRatio`);
    return {};
  }
  source.note(path, 'training.warmupRatio', warmup < 1 ? 'below 1 it is a share of all steps' : `${warmup} of max_steps ${steps}`);
  return { warmupRatio: share };
}

/** Whether the best weights are kept. */
export function readSelect(source: Source, hasValidation: boolean): Training {
  const path = 'load_best_model_at_end';
  const isBest = readFlag(source, path);
  if (isBest === true && !hasValidation) source.drop(path, 'the source names no validation rows to choose by');
  if (isBest === undefined || (isBest && !hasValidation)) return {};
  source.note(path, 'training.select', isBest ? 'by the validation rows' : 'the weights of the end');
  return { select: isBest ? 'best' : 'last' };
}

/** LoRA as PEFT's users switch it on: all parameters are trained where it is off, and noted where the source does not say. */
export function readPeft(
  source: Source,
  find: FindPath,
  names: { readonly enabled: string; readonly targets: string; readonly rankStabilized?: string },
): Training {
  const enabled = find(names.enabled);
  const isEnabled = readFlag(source, enabled);
  if (isEnabled === true) {
    source.note(enabled, 'training.adapter', 'added low-rank matrices');
    const adapter = readLora(source, find, { targets: names.targets, rank: 16, alpha: 32, dropout: 0.05 });
    return { adapter: { ...adapter, ...readRankStabilized(source, names.rankStabilized) } };
  }
  source.note(enabled, 'training.adapter', 'all parameters are trained');
  source.assume(enabled, 'training.adapter', { value: false, text: 'all parameters are trained, as with {"type": "full"}' });
  return isEnabled === undefined ? {} : { adapter: { type: 'full' } };
}

/** rsLoRA, where the source has a field for it; false is what a job without the field means. */
function readRankStabilized(source: Source, path: string | undefined): { readonly rankStabilized?: boolean } {
  const isStabilized = path === undefined ? undefined : readFlag(source, path);
  if (isStabilized === undefined) return {};
  source.note(path!, 'training.adapter.rankStabilized', null);
  return { rankStabilized: isStabilized };
}

interface LoraDefaults {
  /** A job must have a rank: the default is written where the source has none. */
  readonly rank: number;
  readonly alpha: number | null;
  readonly dropout: number | null;
  /** The source's name of the list of linear maps. */
  readonly targets: string;
}

export function readLora(
  source: Source,
  find: FindPath,
  { rank, alpha, dropout, targets }: LoraDefaults,
): NonNullable<Training['adapter']> {
  const numbers = readNumbers(source, find, {
    'adapter.rank': ['lora_r', rank],
    'adapter.alpha': ['lora_alpha', alpha],
    'adapter.dropout': ['lora_dropout', dropout],
  });
  return omitUndefined({
    type: 'lora' as const,
    rank: numbers['adapter.rank'] ?? rank,
    alpha: numbers['adapter.alpha'],
    dropout: numbers['adapter.dropout'],
    targets: readTargets(source, find(targets)),
  });
}

/** Names of linear maps, in a list or with commas between; "all-linear" and "all" name none. */
function readTargets(source: Source, path: string): string[] | undefined {
  const value = source.get(path) ?? undefined;
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.length > 0;
  const names = isList ? value.map((_, i) => readText(source, `${path}.${i}`)) : readText(source, path)?.split(',');
  const targets = names?.map((name) => name?.trim() ?? '') ?? [];
  if (targets.includes('')) source.refuse(path, 'names of modules');
  if (targets.length === 1 && ['all-linear', 'all'].includes(targets[0]!)) {
    source.drop(path, 'every linear map gets an adapter: set training.adapter.targets where a target chooses fewer');
    return undefined;
  }
  source.note(path, 'training.adapter.targets', isList ? null : 'a list');
  return targets;
}

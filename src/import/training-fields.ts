import { Training, type TrainingField } from '../job/job-spec.ts';
import { changesTraining } from './imported-job.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { readFlag, readInteger, readNumber, readText, toRefusal, toValue, type Source, type SourcePath } from './source.ts';

/**
 * A number that means the same under our name; `{}` where the source has none.
 * @throws Failure `data-invalid` for what the field cannot be
 */
export function readTraining(source: Source, path: SourcePath, field: TrainingField): Training {
  const value = readNumber(source, path);
  if (value === undefined) return {};
  const { success, error } = Training.shape[field].safeParse(value);
  if (!success)
    throw toRefusal(source, path, (error.issues[0]?.message ?? 'another value').replace(/^.*?expected /, '').replace(/, received.*$/, ''));
  carry(source, path, `training.${field}`);
  return { [field]: value };
}

/** 0 means "do not clip" elsewhere; a job that does not clip cannot be written. */
export function readMaxGradNorm(source: Source, path: SourcePath): Training {
  if (readNumber(source, path) !== 0) return readTraining(source, path, 'maxGradNorm');
  leave(source, path, `${changesTraining}: 0 means that gradients are not clipped, which a job cannot say`);
  return {};
}

/** A seed above the job's range is left: any other gives another training anyway. */
export function readSeed(source: Source, path: SourcePath): Training {
  const seed = readInteger(source, path, 0);
  if (seed !== undefined && seed > 2 ** 31 - 1) {
    leave(source, path, `${changesTraining}: a job takes seeds up to 2147483647`);
    return {};
  }
  return readTraining(source, path, 'seed');
}

interface Batch {
  readonly rows: SourcePath;
  readonly accumulation: SourcePath;
  /** What the program takes for what is absent. */
  readonly defaults: { readonly rows: number; readonly accumulation: number };
}

/** Rows per optimizer step: rows at once, times the steps that are gathered. A part that is absent is the program's own default. */
export function readBatchSize(source: Source, { rows: rowsPath, accumulation: accumulationPath, defaults }: Batch): Training {
  const rows = readInteger(source, rowsPath, 1);
  const accumulation = readInteger(source, accumulationPath, 1);
  const effective = (rows ?? defaults.rows) * (accumulation ?? defaults.accumulation);
  const text = `rows per optimizer step: ${rows ?? defaults.rows} at once x ${accumulation ?? defaults.accumulation} gathered, on one device`;
  if (rows === undefined && accumulation === undefined) {
    assume(source, rowsPath, { field: 'training.batchSize', value: effective, text });
    return {};
  }
  if (!Number.isSafeInteger(effective)) throw toRefusal(source, rowsPath, 'fewer rows per step');
  const half = rows === undefined || accumulation === undefined ? "; what the source does not name is its program's default" : '';
  for (const path of [rowsPath, accumulationPath]) convert(source, path, { field: 'training.batchSize', text: text + half });
  return { batchSize: effective };
}

type Schedule = NonNullable<Training['schedule']>;

/** The schedules of transformers that a job has, with and without the warm-up that comes before. */
const schedules: Readonly<Record<string, { readonly schedule: Schedule; readonly warms: boolean; readonly text: string | null }>> = {
  linear: { schedule: 'linear', warms: true, text: null },
  cosine: { schedule: 'cosine', warms: true, text: null },
  cosine_warmup: { schedule: 'cosine', warms: true, text: 'the warm-up is a field of its own' },
  constant: { schedule: 'constant', warms: false, text: '"constant" of the source has no warm-up: warmupRatio is 0' },
  constant_with_warmup: { schedule: 'constant', warms: true, text: 'the warm-up is a field of its own' },
};

/**
 * The learning rate's course.
 * @param readWarmup reads the warm-up, where the schedule has one
 * @param warmups where a warm-up stands
 */
export function readSchedule(source: Source, path: SourcePath, { warmups, readWarmup }: Warmup): Training {
  const word = readText(source, path)?.toLowerCase();
  if (word === undefined) return readWarmup();
  const known = Object.hasOwn(schedules, word) ? schedules[word] : undefined;
  if (known === undefined) {
    leave(source, path, `${changesTraining}: another course of the learning rate; a job has linear, cosine and constant`);
    return readWarmup();
  }
  if (known.text === null) carry(source, path, 'training.schedule');
  else convert(source, path, { field: 'training.schedule', text: known.text });
  if (known.warms) return { schedule: known.schedule, ...readWarmup() };
  for (const warmup of warmups) leave(source, warmup, `the source does not use it with ${word}`);
  return { schedule: known.schedule, warmupRatio: 0 };
}

interface Warmup {
  readonly warmups: readonly SourcePath[];
  readWarmup(): Training;
}

interface Lora {
  readonly enabled: SourcePath;
  readonly rank: SourcePath;
  readonly alpha: SourcePath;
  readonly dropout: SourcePath;
  readonly targets: SourcePath;
  readonly defaultRank: number;
  /** What the program takes for what is absent; null where only it knows. */
  readonly defaults: { readonly alpha: number | null; readonly dropout: number | null };
}

/** LoRA where it is switched on; a whole training where it is switched off, and a note where the source says neither. */
export function readLora(source: Source, lora: Lora): Training {
  const enabled = readFlag(source, lora.enabled);
  const parts = [lora.rank, lora.alpha, lora.dropout, lora.targets];
  if (enabled !== true) {
    for (const path of parts) leave(source, path, `the source does not use it without ${lora.enabled.at(-1)}`);
    if (enabled === false) {
      convert(source, lora.enabled, { field: 'training.adapter', text: 'all parameters are trained' });
      return { adapter: { type: 'full' } };
    }
    const text = 'all parameters are trained, as with {"type": "full"}';
    assume(source, lora.enabled, { field: 'training.adapter', value: false, text });
    return {};
  }
  convert(source, lora.enabled, { field: 'training.adapter', text: 'added low-rank matrices' });
  return { adapter: { type: 'lora', ...readRank(source, lora), ...readLoraParts(source, lora) } };
}

function readRank(source: Source, { rank: path, defaultRank }: Lora): { rank: number } {
  const rank = readInteger(source, path, 1);
  carry(source, path, 'training.adapter.rank');
  if (rank === undefined) {
    const text = 'a job must name the rank: it is written';
    assume(source, path, { field: 'training.adapter.rank', value: defaultRank, text });
  }
  return { rank: rank ?? defaultRank };
}

type LoraParts = Pick<Extract<NonNullable<Training['adapter']>, { type: 'lora' }>, 'alpha' | 'dropout' | 'targets'>;

/** What a LoRA adapter may have besides its rank. */
export function readLoraParts(source: Source, lora: Pick<Lora, 'alpha' | 'dropout' | 'targets' | 'defaults'>): LoraParts {
  const alpha = readNumber(source, lora.alpha);
  if (alpha !== undefined && alpha <= 0) throw toRefusal(source, lora.alpha, 'a number above 0');
  const dropout = readNumber(source, lora.dropout);
  if (dropout !== undefined && (dropout < 0 || dropout >= 1)) throw toRefusal(source, lora.dropout, 'a number from 0 to below 1');
  for (const part of ['alpha', 'dropout'] as const) {
    if (toValue(source, lora[part]) !== undefined) continue;
    assume(source, lora[part], { field: `training.adapter.${part}`, value: lora.defaults[part], text: "the source's program takes it" });
  }
  carry(source, lora.alpha, 'training.adapter.alpha');
  carry(source, lora.dropout, 'training.adapter.dropout');
  const targets = readTargets(source, lora.targets);
  return {
    ...(alpha === undefined ? {} : { alpha }),
    ...(dropout === undefined ? {} : { dropout }),
    ...(targets === undefined ? {} : { targets }),
  };
}

/** Names of linear maps, in a list or with commas between; "all-linear" names none. */
function readTargets(source: Source, path: SourcePath): string[] | undefined {
  const value = toValue(source, path);
  if (value === undefined || value === null) return undefined;
  const isList = Array.isArray(value) && value.length > 0;
  const names = isList ? value.map((_, i) => readText(source, [...path, String(i)])) : readText(source, path)?.split(',');
  const trimmed = names?.map((name) => name?.trim() ?? '') ?? [];
  if (trimmed.includes('')) throw toRefusal(source, path, 'names of modules');
  if (trimmed.length === 1 && trimmed[0] === 'all-linear') {
    leave(source, path, 'no list of names: every linear map gets an adapter; add training.adapter.targets where a target chooses fewer');
    return undefined;
  }
  if (isList) carry(source, path, 'training.adapter.targets');
  else convert(source, path, { field: 'training.adapter.targets', text: 'a list' });
  return trimmed;
}

/** Names what the source's program takes for epochs and learning rate where the source is silent: absent means the service decides. */
export function assumeDefaults(source: Source, training: Training, defaults: readonly Default[]): void {
  for (const { field, path, value, text } of defaults) {
    const isSaid =
      training[field] !== undefined || toValue(source, path) !== undefined || (field === 'epochs' && training.steps !== undefined);
    if (!isSaid) assume(source, path, { field: `training.${field}`, value, text: text ?? "the source's program takes it" });
  }
}

export interface Default {
  readonly field: TrainingField;
  readonly path: SourcePath;
  readonly value: unknown;
  readonly text?: string;
}

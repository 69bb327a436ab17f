import { Failure } from '../errors.ts';
import type { Training, TrainingField } from '../job/job-spec.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { Note } from '../provider/note.ts';

/** What becomes of a field of the job's training. */
export type Mapped<Parameters> =
  | { readonly type: 'sent'; readonly parameters: Partial<Parameters> }
  | { readonly type: 'converted'; readonly parameters: Partial<Parameters>; readonly value: unknown; readonly why: string }
  | { readonly type: 'unsupported'; readonly why: string };

export type FieldMapper<Field extends TrainingField, Parameters, Settings> = (
  value: NonNullable<Training[Field]>,
  settings: Settings,
) => Mapped<Parameters>;

/**
 * How a job's training becomes the parameters of a service. `Settings` is what the mapping depends on beside the training. Notes come in
 * the order in which the fields stand in `map`.
 */
export interface TrainingMap<Parameters extends object, Settings> {
  /** Parameters that are sent where the job says nothing; absent: none, and the service decides. */
  getDefaults?(settings: Settings): Parameters;
  readonly map: { readonly [Field in TrainingField]: FieldMapper<Field, Parameters, Settings> };
  /** What a field that the job leaves out amounts to, for a note; null, or absent: there is nothing to say. */
  readonly defaulted: { readonly [Field in TrainingField]?: (parameters: Parameters, settings: Settings) => unknown };
}

export function sent<Parameters>(parameters: Partial<Parameters> = {}): Mapped<Parameters> {
  return { type: 'sent', parameters };
}

export function unsupported<Parameters>(why: string): Mapped<Parameters> {
  return { type: 'unsupported', why };
}

/** The names of parameters that trainers have in common, and what most services name so. */
interface CommonParameters {
  readonly n_epochs?: number;
  readonly batch_size?: number | 'max';
  readonly learning_rate?: number;
  readonly warmup_ratio?: number;
  readonly weight_decay?: number;
  readonly max_grad_norm?: number;
}

/** The fields of a service that takes a trainer's own settings, with an absolute learning rate. */
export const commonFields = {
  method: () => sent<CommonParameters>(),
  epochs: (epochs: number) =>
    Number.isInteger(epochs)
      ? sent<CommonParameters>({ n_epochs: epochs })
      : unsupported<CommonParameters>('the service takes whole epochs only'),
  batchSize: (size: number) => sent<CommonParameters>({ batch_size: size }),
  learningRate: (rate: NonNullable<Training['learningRate']>) =>
    typeof rate === 'number'
      ? sent<CommonParameters>({ learning_rate: rate })
      : unsupported<CommonParameters>('the service takes an absolute rate; {"multiplier": m} is relative to a rate that is not known'),
  warmupRatio: (ratio: number) => sent<CommonParameters>({ warmup_ratio: ratio }),
  weightDecay: (decay: number) => sent<CommonParameters>({ weight_decay: decay }),
  maxGradNorm: (norm: number) => sent<CommonParameters>({ max_grad_norm: norm }),
  steps: () => unsupported<CommonParameters>('the service counts epochs, not steps'),
};

/** What hinders a service that trains language models, with LoRA of a whole scale, from following an adapter; null: nothing. */
export function findAdapterProblem(adapter: NonNullable<Training['adapter']>): string | null {
  if (adapter.type === 'head') return 'a language model has no head of its own that could be trained alone';
  if (adapter.type === 'full') return null;
  if (adapter.rankStabilized === true) return 'the service multiplies with alpha / rank only';
  return Number.isInteger(adapter.alpha ?? adapter.rank) ? null : 'the service takes a whole lora_alpha only';
}

/** The parameters of a training, and one note on each of its fields: those in the job are sent, converted or unsupported, the others defaulted. */
export function mapTraining<Parameters extends object, Settings>(
  training: Training,
  { getDefaults, map, defaulted }: TrainingMap<Parameters, Settings>,
  settings: Settings,
): { readonly parameters: Parameters; readonly notes: readonly Note[] } {
  const notes: Note[] = [];
  const fields = Object.keys(map) as TrainingField[];
  const parameters = { ...getDefaults?.(settings) } as Parameters;
  for (const field of fields) {
    const value = training[field];
    if (value === undefined) continue;
    // That field and value belong together is more than the types can say.
    const mapped = (map[field] as FieldMapper<TrainingField, Parameters, Settings>)(value, settings);
    if (mapped.type !== 'unsupported') Object.assign(parameters, mapped.parameters);
    notes.push(toNote(`training.${field}`, value, mapped));
  }
  for (const field of fields) {
    const value = training[field] === undefined ? defaulted[field]?.(parameters, settings) : null;
    if (value != null) notes.push({ type: 'defaulted', field: `training.${field}`, value });
  }
  return { parameters, notes };
}

function toNote(field: string, value: unknown, mapped: Mapped<unknown>): Note {
  if (mapped.type === 'sent') return { type: 'sent', field, value };
  if (mapped.type === 'unsupported') return { type: 'unsupported', field, value, why: mapped.why };
  return { type: 'converted', field, from: value, value: mapped.value, why: mapped.why };
}

/**
 * Notes on a job's task and prompt, for a service that learns chats.
 * @param conversion how rows become chats; null: they are sent as they are, and the prompt is not used
 */
export function notePrompt(
  { task, prompt }: Pick<RunSpec, 'task' | 'prompt'>,
  conversion: string | null,
  why: { readonly converted: string; readonly unused: string },
): Note[] {
  if (conversion === null) {
    const written = Object.entries(prompt ?? {}).filter(([, value]) => value !== undefined);
    return written.map(([field, value]) => ({ type: 'unsupported', field: `prompt.${field}`, value, why: why.unused }));
  }
  return [{ type: 'converted', field: 'task', from: task, value: conversion, why: why.converted }, ...noteWritten('prompt', prompt ?? {})];
}

/** Notes on what a part of the job sets, all of which is sent. */
export function noteWritten(part: string, fields: object): Note[] {
  const written = Object.entries(fields).filter(([, value]) => value !== undefined);
  return written.map(([field, value]): Note => ({ type: 'sent', field: `${part}.${field}`, value }));
}

/**
 * Notes on a target's raw fields.
 * @param owned fields of the request for which the job has other words
 * @throws Failure `job-file-invalid` for one of these: it would change what the job says, or how its runs are found
 */
export function noteNative({ native, target }: RunSpec, owned: readonly string[], toHint: (field: string) => string): Note[] {
  const field = Object.keys(native).find((name) => owned.includes(name));
  if (field === undefined) return noteWritten('native', native);
  const expected = `targets.${target}.native.${field}: expected a field for which the job has no word, found "${field}"`;
  throw new Failure('job-file-invalid', expected, { hint: toHint(field) });
}

import type { Training, TrainingField } from '../../src/job/job-spec.ts';
import type { Machine } from './flavor.ts';
import type { EngineTask, Parameters } from './request.ts';

/** What the settings of an engine depend on beside the job's training. */
export interface EngineContext {
  readonly task: EngineTask;
  readonly machine: Machine;
  readonly hasValidation: boolean;
  /** Tokens that the model can read, where that is known. */
  readonly maxLength: number | null;
  /** Whole passes, for settings that must not end a training early. */
  readonly epochs: number | null;
}

/** What becomes of a written field. */
export type Mapped =
  | { readonly type: 'sent'; readonly parameters: Parameters }
  | { readonly type: 'converted'; readonly parameters: Parameters; readonly value: unknown; readonly why: string }
  | { readonly type: 'unsupported'; readonly why: string };

export type SettingMapper<Field extends TrainingField> = (value: NonNullable<Training[Field]>, context: EngineContext) => Mapped;

/** How an engine is told of a training. */
export interface EngineSettings {
  /** Every setting as it is where the job says nothing: all are sent, so that no default of another version decides. */
  toDefaults(context: EngineContext): Parameters;
  readonly map: { readonly [Field in TrainingField]: SettingMapper<Field> };
  /** What a field that the job does not name amounts to; null: the engine has nothing of the kind. */
  readonly defaulted: { readonly [Field in TrainingField]: (parameters: Parameters, context: EngineContext) => unknown };
  /** Whether the engine has a setting of this name. */
  has(name: string, task: EngineTask): boolean;
  /** Names that the job has words for, or that the program in the container decides. */
  readonly owned: ReadonlySet<string>;
}

export function sent(parameters: Parameters = {}): Mapped {
  return { type: 'sent', parameters };
}

export function unsupported(why: string): Mapped {
  return { type: 'unsupported', why };
}

/** The field `method` is checked when the engine is chosen. */
export const mapMethod: SettingMapper<'method'> = () => sent();

/** A rate as it is. A multiplier is another quantity. */
export const mapLearningRate =
  (name: string): SettingMapper<'learningRate'> =>
  (value) =>
    typeof value === 'number'
      ? sent({ [name]: value })
      : unsupported('the engine takes an absolute rate, and {"multiplier": m} is of a rate that nobody told');

/** Tokens of a row, no more than the model can read. */
export const mapMaxLength =
  (...names: readonly string[]): SettingMapper<'maxLength'> =>
  (value, { maxLength }) => {
    const toParameters = (length: number): Parameters => Object.fromEntries(names.map((name) => [name, length]));
    if (maxLength === null || value <= maxLength) return sent(toParameters(value));
    return { type: 'converted', parameters: toParameters(maxLength), value: maxLength, why: 'the model reads no more tokens' };
  };

/** Rows of one step of the optimizer, parted among the GPUs, and into parts that fit their memory: the gradient is the same. */
export const mapBatchSize =
  (names: { readonly perDevice: string; readonly accumulation: string }, most: number): SettingMapper<'batchSize'> =>
  (value, { machine: { devices } }) => {
    if (value % devices !== 0) return unsupported(`the machine has ${devices} GPUs, among which the rows of a step are parted evenly`);
    const own = value / devices;
    const perDevice = Array.from({ length: Math.min(own, most) }, (_, i) => i + 1).findLast((part) => own % part === 0) ?? 1;
    return sent({ [names.perDevice]: perDevice, [names.accumulation]: own / perDevice });
  };

export function toBatchSize(
  parameters: Parameters,
  { perDevice, accumulation }: { perDevice: string; accumulation: string },
  devices: number,
): number {
  return Number(parameters[perDevice]) * Number(parameters[accumulation]) * devices;
}

interface LoraNames {
  /** The engine's name, for people. */
  readonly engine: string;
  /** Turns low-rank matrices on. */
  readonly isOn: string;
  readonly targets: string;
  toTargets(targets: readonly string[]): unknown;
}

/** Low-rank matrices in a language model, or all of its weights. */
export const mapLora =
  ({ engine, isOn, targets, toTargets }: LoraNames): SettingMapper<'adapter'> =>
  (value) => {
    if (value.type === 'full') return sent({ [isOn]: false });
    if (value.type === 'head') return unsupported('a language model has no head of its own that could be trained alone');
    if (value.alpha !== undefined && !Number.isInteger(value.alpha)) return unsupported(`${engine} takes a whole lora_alpha only`);
    return sent({
      [isOn]: true,
      lora_r: value.rank,
      ...(value.alpha === undefined ? {} : { lora_alpha: value.alpha }),
      ...(value.dropout === undefined ? {} : { lora_dropout: value.dropout }),
      ...(value.targets === undefined ? {} : { [targets]: toTargets(value.targets) }),
    });
  };

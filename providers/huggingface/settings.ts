import type { Note } from '../../src/provider/note.ts';
import { Failure } from '../../src/errors.ts';
import { sent, unsupported, type FieldMapper, type TrainingMap } from '../../src/provider-kit/map-training.ts';
import type { TrainingField } from '../../src/job/job-spec.ts';
import type { EngineTask, Parameter, Parameters } from './request.ts';

/** What the name of a machine says about its hardware. */
export interface Machine {
  readonly devices: number;
  readonly isCpu: boolean;
  /** Whether its GPU computes in bfloat16 (Ampere and later). */
  readonly hasBf16: boolean;
}

/** `a10g-largex4` has four GPUs, `l4x1` one. */
export function getMachine(flavor: string): Machine {
  const isCpu = flavor.startsWith('cpu-');
  const count = /x([1-9]\d?)$/.exec(flavor);
  return { devices: count === null ? 1 : Number(count[1]), isCpu, hasBf16: !isCpu && !flavor.startsWith('t4-') };
}

/** What the settings of an engine depend on beside the job's training. */
export interface EngineContext {
  readonly task: EngineTask;
  readonly machine: Machine;
  readonly hasValidation: boolean;
  /** Tokens that the model can read, where that is known. */
  readonly maxLength: number | null;
  /** Whether the job asks for an early end. */
  readonly stopsEarly: boolean;
  /** Whole passes, for settings that must not end a training early. */
  readonly epochs: number | null;
}

/** How a training becomes the settings of an engine. Its defaults are all sent, so that no default of another version decides. */
export interface EngineSettings extends TrainingMap<Parameters, EngineContext> {
  getDefaults(context: EngineContext): Parameters;
  /** Whether the engine has a setting of this name. */
  has(name: string, task: EngineTask): boolean;
  /** Names that the job has words for, or that the program in the container decides. */
  readonly owned: ReadonlySet<string>;
}

export type SettingMapper<Field extends TrainingField> = FieldMapper<Field, Parameters, EngineContext>;

/** Splits names that are written as a text. */
export function splitNames(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** A field that is sent as it is, under this name. The field `method` needs none: it is checked when the engine is chosen. */
export const mapAs =
  <Field extends TrainingField>(name?: string): SettingMapper<Field> =>
  (value) =>
    sent(name === undefined ? {} : { [name]: value as Parameter });

/** A rate as it is. A multiplier is another quantity. */
export const mapLearningRate =
  (name: string): SettingMapper<'learningRate'> =>
  (value) =>
    typeof value === 'number'
      ? sent({ [name]: value })
      : unsupported('the engine takes an absolute rate; {"multiplier": m} is relative to a rate that is not known');

/** Tokens of a row, no more than the model can read. */
export const mapMaxLength =
  (...names: readonly string[]): SettingMapper<'maxLength'> =>
  (value, { maxLength }) => {
    const toParameters = (length: number): Parameters => Object.fromEntries(names.map((name) => [name, length]));
    if (maxLength === null || value <= maxLength) return sent(toParameters(value));
    return { type: 'converted', parameters: toParameters(maxLength), value: maxLength, why: 'the model reads no more tokens' };
  };

export const mapBeta =
  (name: string): SettingMapper<'beta'> =>
  (value, { task }) =>
    task === 'dpo' ? sent({ [name]: value }) : unsupported('"beta" belongs to the method "dpo"');

interface BatchNames {
  readonly perDevice: string;
  readonly accumulation: string;
}

/** Rows of one step of the optimizer, parted among the GPUs, and into parts that fit their memory: the gradient is the same. */
export const mapBatchSize =
  ({ perDevice, accumulation }: BatchNames, most: number): SettingMapper<'batchSize'> =>
  (value, { machine: { devices } }) => {
    if (value % devices !== 0) return unsupported(`the rows of a step are parted evenly among the ${devices} GPUs of the machine`);
    const own = value / devices;
    const part = Array.from({ length: Math.min(own, most) }, (_, i) => i + 1).findLast((part) => own % part === 0) ?? 1;
    return sent({ [perDevice]: part, [accumulation]: own / part });
  };

export const getBatchSize =
  ({ perDevice, accumulation }: BatchNames) =>
  (parameters: Parameters, { machine }: EngineContext): number =>
    Number(parameters[perDevice]) * Number(parameters[accumulation]) * machine.devices;

interface LoraNames {
  /** The engine's name, for people. */
  readonly engine: string;
  /** Turns low-rank matrices on. */
  readonly isOn: string;
  readonly targets: string;
  toTargets(targets: readonly string[]): Parameter;
  /** Multiplies with alpha / √rank; null: the engine cannot. */
  readonly rankStabilized: string | null;
}

/** Low-rank matrices in a language model, or all of its weights. */
export const mapLora =
  ({ engine, isOn, targets, toTargets, rankStabilized }: LoraNames): SettingMapper<'adapter'> =>
  (value) => {
    if (value.type === 'full') return sent({ [isOn]: false });
    if (value.type === 'head') return unsupported('a language model has no head of its own that could be trained alone');
    if (value.alpha !== undefined && !Number.isInteger(value.alpha)) return unsupported(`${engine} takes a whole lora_alpha only`);
    if (value.rankStabilized === true && rankStabilized === null) return unsupported(`${engine} multiplies with alpha / rank only`);
    return sent({
      [isOn]: true,
      ...(value.rankStabilized === undefined || rankStabilized === null ? {} : { [rankStabilized]: value.rankStabilized }),
      ...getLoraSizes(value),
      ...(value.targets === undefined ? {} : { [targets]: toTargets(value.targets) }),
    });
  };

export function getLoraSizes({
  rank,
  alpha,
  dropout,
}: {
  rank: number;
  alpha?: number | undefined;
  dropout?: number | undefined;
}): Parameters {
  return {
    lora_r: rank,
    ...(alpha === undefined ? {} : { lora_alpha: alpha }),
    ...(dropout === undefined ? {} : { lora_dropout: dropout }),
  };
}

interface NativeContext {
  readonly settings: EngineSettings;
  readonly task: EngineTask;
  readonly target: string;
  /** Whether the image is the engine's own, whose settings are known. */
  readonly isKnownImage: boolean;
}

/**
 * The raw settings of a target.
 * @throws Failure `job-file-invalid` for one that the job has words for, or that the engine does not have
 */
export function mapNative(
  native: Readonly<Record<string, unknown>>,
  { settings, task, target, isKnownImage }: NativeContext,
): { readonly parameters: Parameters; readonly notes: readonly Note[] } {
  const notes: Note[] = [];
  for (const [name, value] of Object.entries(native)) {
    const refuse = (expected: string, found: string, hint?: string): never => {
      const message = `targets.${target}.native.${name}: expected ${expected}, found ${found}`;
      throw new Failure('job-file-invalid', message, hint === undefined ? {} : { hint });
    };
    if (settings.owned.has(name)) refuse('a setting that the job has no word for', `"${name}"`, 'use the fields of the job file');
    if (!settings.has(name, task)) {
      const hint = 'names change between versions; with an image of your own (options.image) any name is sent';
      if (isKnownImage || !/^[A-Za-z]\w{0,99}$/.test(name)) refuse('a setting of the engine', `"${name}"`, hint);
      notes.push({ type: 'warning', message: `whether the engine has the setting "${name}" is not known here` });
    }
    if (!isParameter(value)) refuse('a text, a number, a boolean, null or a list of texts', 'something else');
    notes.push({ type: 'sent', field: `native.${name}`, value });
  }
  return { parameters: native as Parameters, notes };
}

function isParameter(value: unknown): value is Parameter {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

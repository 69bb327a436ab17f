import type { Note } from '../../src/provider/note.ts';
import { Failure } from '../../src/errors.ts';
import type { Training, TrainingField } from '../../src/job/job-spec.ts';
import type { EngineContext, EngineSettings, Mapped, SettingMapper } from './engine-settings.ts';
import { autotrainChats, autotrainLabels } from './parameters-autotrain.ts';
import { transformersSettings } from './parameters-transformers.ts';
import { trlSettings } from './parameters-trl.ts';
import type { EngineName, EngineTask, Parameter, Parameters } from './request.ts';

export interface MappedTraining {
  /** Every setting of the engine that is sent. */
  readonly parameters: Parameters;
  readonly notes: readonly Note[];
}

export function toSettings(engine: EngineName, task: EngineTask): EngineSettings {
  if (engine === 'trl') return trlSettings;
  if (engine === 'transformers') return transformersSettings;
  return task === 'text-classification' ? autotrainLabels : autotrainChats;
}

/** The settings of a training, with one note on each of its fields: written ones become sent, converted or unsupported, others defaulted. */
export function mapTraining(training: Training, settings: EngineSettings, context: EngineContext): MappedTraining {
  const fields = Object.keys(settings.map) as TrainingField[];
  const mapped = fields.flatMap((field) =>
    training[field] === undefined ? [] : [{ field, mapped: map(field, training, { settings, context }) }],
  );
  const parameters: Parameters = Object.assign(
    { ...settings.toDefaults(context) },
    ...mapped.map((one) => (one.mapped.type === 'unsupported' ? {} : one.mapped.parameters)),
  ) as Parameters;
  const written = new Set(mapped.filter((one) => one.mapped.type !== 'unsupported').map(({ field }) => field));
  const notes = mapped.map(({ field, mapped: what }) => toNote(`training.${field}`, training[field], what));
  const defaulted = fields
    .filter((field) => !written.has(field) && training[field] === undefined)
    .map((field): [TrainingField, unknown] => [field, settings.defaulted[field](parameters, context)])
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([field, value]): Note => ({ type: 'defaulted', field: `training.${field}`, value }));
  return { parameters, notes: [...notes, ...defaulted] };
}

function map(
  field: TrainingField,
  training: Training,
  { settings, context }: { settings: EngineSettings; context: EngineContext },
): Mapped {
  // The table has the taker of each field; that field and value belong together is beyond what the types can say.
  return (settings.map[field] as SettingMapper<TrainingField>)(training[field] as never, context);
}

function toNote(field: string, written: unknown, mapped: Mapped): Note {
  if (mapped.type === 'sent') return { type: 'sent', field, value: written };
  if (mapped.type === 'unsupported') return { type: 'unsupported', field, value: written, why: mapped.why };
  return { type: 'converted', field, from: written, value: mapped.value, why: mapped.why };
}

/**
 * The raw settings of a target.
 * @param isKnownImage whether the image is the engine's own, whose settings are known
 * @throws Failure `job-file-invalid` for one that the job has words for, or that the engine does not have
 */
export function mapNative(
  native: Readonly<Record<string, unknown>>,
  { settings, task, target, isKnownImage }: { settings: EngineSettings; task: EngineTask; target: string; isKnownImage: boolean },
): MappedTraining {
  const notes: Note[] = [];
  for (const [name, value] of Object.entries(native)) {
    const location = `targets.${target}.native.${name}`;
    if (settings.owned.has(name)) {
      throw new Failure('job-file-invalid', `${location}: expected a setting that the job has no word for, found "${name}"`, {
        hint: 'say it with the fields of the job file',
      });
    }
    if (!settings.has(name, task)) {
      if (isKnownImage || !/^[A-Za-z]\w{0,99}$/.test(name)) {
        throw new Failure('job-file-invalid', `${location}: expected a setting of the engine, found "${name}"`, {
          hint: 'names change between versions; with an image of your own (options.image) any name is sent',
        });
      }
      notes.push({ type: 'warning', message: `nobody here knows whether the engine has the setting "${name}"` });
    }
    if (!isParameter(value)) {
      throw new Failure(
        'job-file-invalid',
        `${location}: expected a text, a number, a boolean, null or a list of texts, found something else`,
      );
    }
    notes.push({ type: 'sent', field: `native.${name}`, value });
  }
  return { parameters: native as Parameters, notes };
}

function isParameter(value: unknown): value is Parameter {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

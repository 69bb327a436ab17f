import { isObject } from '../lib/json.ts';
import { classificationJob, type RowsSummary } from './classification.ts';
import { parseConfig, toJobName, type ImportedJob } from './imported-job.ts';
import { openai } from './openai.ts';
import type { Fields, ImportNote } from './source.ts';

/** What was imported of a job. */
export interface RecordContext {
  /** The provider that keeps the job. */
  readonly provider: string;
  readonly id: string;
  readonly hasTrain: boolean;
  readonly hasValidation: boolean;
  /** Null where the rows could not be read. */
  readonly rows: RowsSummary | null;
}

/** Services whose records of jobs have OpenAI's form. */
const openaiLike = ['openai', 'azure'];

/**
 * A service's own record of a job as a job: its data are the imported files.
 * @throws Failure `data-invalid` for a kind of training that no job file can express
 */
export function parseRecord(record: unknown, context: RecordContext): ImportedJob | null {
  const { provider, id, rows, hasValidation } = context;
  if (!openaiLike.includes(provider) || !isObject(record)) return null;
  const suffix = findSuffix(record);
  const job = parseConfig(openai, buildCreateBody(record, suffix), { file: `the job ${id}` });
  const notes = job.notes.map((note) => describeFile(note, context)).filter(({ kind, field }) => kind !== 'absent' || field !== 'name');
  const convert = (path: string, field: string, value: unknown, text: string): void =>
    void notes.push({ kind: 'converted', path, field, value, text });
  if (suffix === null) convert('id', 'name', id, 'the job has no suffix');
  const labels = rows?.classes?.labels;
  if (labels !== undefined) {
    const rowText = `each row has one question and one of ${labels.length} short answers`;
    convert('(answers)', 'task', labels, `${rowText}: ${classificationJob} trains a small model of your own on them`);
  }
  return {
    ...job,
    source: `the job ${id} of ${provider}`,
    name: suffix === null ? toJobName(id) : job.name,
    task: rows?.task ?? job.task,
    data: { train: './train.jsonl', ...(hasValidation ? { validation: './validation.jsonl' } : {}) },
    target: { ...job.target, name: provider, provider },
    notes,
  };
}

/** The body that created the job, as far as its record shows; hyperparameters are those that were used. */
function buildCreateBody(record: Fields, suffix: string | null): Fields {
  const { model, training_file, validation_file, seed, metadata, integrations, trainingType } = record;
  const body = { model, training_file, validation_file, method: buildMethod(record), seed, suffix, metadata, integrations, trainingType };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value != null && !(Array.isArray(value) && value.length === 0)));
}

/** Old jobs have their hyperparameters outside of a method, and some answers of Azure have none. */
function buildMethod({ method, hyperparameters: outer }: Fields): Fields {
  const type = isObject(method) && typeof method['type'] === 'string' ? method['type'] : 'supervised';
  const settings = isObject(method) && isObject(method[type]) ? method[type] : {};
  const used = [settings['hyperparameters'], outer].find(isObject) ?? {};
  const hyperparameters = Object.fromEntries(Object.entries(used).filter(([, value]) => value !== null));
  return { type, [type]: { ...settings, hyperparameters } };
}

/** `ft:base:organisation:suffix:id` and `base.ft-0a1b2c-suffix` contain it where the record has no field for it. */
function findSuffix({ user_provided_suffix: provided, suffix, fine_tuned_model: model }: Fields): string | null {
  const name = typeof model === 'string' ? model : '';
  const inName = name.startsWith('ft:') ? name.split(':')[3] : /\.ft-[0-9a-f]+-(.+)$/.exec(name)?.[1];
  return [provided, suffix, inName].find((word): word is string => typeof word === 'string' && word.trim() !== '') ?? null;
}

/** Files at the service are files beside the job now. */
function describeFile(note: ImportNote, { hasTrain, hasValidation }: RecordContext): ImportNote {
  const isTrain = note.field === 'data.train';
  if (!isTrain && note.field !== 'data.validation') return note;
  if (isTrain ? hasTrain : hasValidation) return { ...note, text: 'imported from the service' };
  if (isTrain) return { ...note, text: 'no longer at the service: put the rows here' };
  return { ...note, kind: 'unmatched', field: null, text: 'no longer at the service: without it nothing is measured while training' };
}

import { toJobName, type ImportedJob, type ImportNote } from './imported-job.ts';
import type { RowsLook } from './look-at-rows.ts';
import { parseOpenaiBody } from './parse-openai-body.ts';
import { isFields, type Fields } from './source.ts';
import { classificationJob } from './to-classification.ts';

/** What was brought home of a job, and what its rows look like. */
export interface RecordContext {
  /** Of the provider that keeps it. */
  readonly provider: string;
  readonly id: string;
  readonly hasTrain: boolean;
  readonly hasValidation: boolean;
  /** What the rows are; null where nobody could look. */
  readonly rows: RowsLook | null;
}

/** Services whose records of jobs are understood. */
const ofOpenai = ['openai', 'azure'];

/**
 * A service's own record of a job as a job: its data are the files that were brought home.
 * @throws Failure `data-invalid` for a kind of training that no job file can say
 */
export function parseRecord(record: unknown, context: RecordContext): ImportedJob | null {
  const { provider, id, rows } = context;
  if (!ofOpenai.includes(provider) || !isFields(record)) return null;
  const suffix = toSuffix(record);
  const body = toCreateBody(record, suffix);
  const job = parseOpenaiBody(body, { file: `the job ${id}` });
  const task = rows?.task ?? job.task;
  const data = { train: './train.jsonl', ...(context.hasValidation ? { validation: './validation.jsonl' } : {}) };
  return {
    ...job,
    source: `the job ${id} of ${provider}`,
    name: suffix === null ? toJobName(id) : job.name,
    task,
    data,
    target: { ...job.target, name: provider, provider },
    notes: [
      ...job.notes.filter(({ kind, field }) => !(kind === 'absent' && field === 'name')).map((note) => toFileNote(note, context)),
      ...(suffix === null ? [toNote('id', { field: 'name', value: id, text: 'the job has no suffix' })] : []),
      ...(rows?.classes == null ? [] : [toAnswersNote(rows.classes.labels)]),
    ],
  };
}

/** What the job was created with, as far as its record tells: hyperparameters are those that were used. */
function toCreateBody(record: Fields, suffix: string | null): Fields {
  const { model, training_file, validation_file, seed, metadata, integrations, trainingType } = record;
  const body = { model, training_file, validation_file, method: toMethod(record), seed, suffix, metadata, integrations, trainingType };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value != null && !(Array.isArray(value) && value.length === 0)));
}

/** Old jobs tell their hyperparameters outside of a method, and Azure tells none in some of its answers. */
function toMethod({ method, hyperparameters }: Fields): Fields {
  const type = isFields(method) && typeof method['type'] === 'string' ? method['type'] : 'supervised';
  const inside = isFields(method) && isFields(method[type]) ? method[type] : {};
  const used = isFields(inside['hyperparameters']) ? inside['hyperparameters'] : isFields(hyperparameters) ? hyperparameters : {};
  const told = Object.entries(used).filter(([, value]) => value !== null);
  return { type, [type]: { ...inside, hyperparameters: Object.fromEntries(told) } };
}

/** `ft:base:organisation:suffix:id` and `base.ft-0a1b2c-suffix` hold it where the record does not name it. */
function toSuffix({ user_provided_suffix: told, suffix, fine_tuned_model: model }: Fields): string | null {
  const text = typeof model === 'string' ? model : '';
  const inName = text.startsWith('ft:') ? text.split(':')[3] : /\.ft-[0-9a-f]+-(.+)$/.exec(text)?.[1];
  return [told, suffix, inName].find((word): word is string => typeof word === 'string' && word.trim() !== '') ?? null;
}

function toNote(path: string, { field, value, text }: Pick<ImportNote, 'field' | 'value' | 'text'>): ImportNote {
  return { kind: 'converted', path, field, value, text };
}

/** Files at the service are files beside the job now. */
function toFileNote(note: ImportNote, { hasTrain, hasValidation }: RecordContext): ImportNote {
  const isTrain = note.field === 'data.train';
  if (!isTrain && note.field !== 'data.validation') return note;
  if (isTrain ? hasTrain : hasValidation) return { ...note, text: 'brought home from the service' };
  if (isTrain) return { ...note, text: 'not to be had at the service: put the rows here' };
  return { ...note, kind: 'unmatched', field: null, text: 'not to be had at the service: without it nothing is measured while training' };
}

function toAnswersNote(answers: readonly string[]): ImportNote {
  const text = `each row has one question and one of ${answers.length} short answers: as the task "classification" a small model of your own learns it: ${classificationJob}`;
  return toNote('(answers)', { field: 'task', value: answers, text });
}

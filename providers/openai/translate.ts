import type { Note } from '../../src/provider/note.ts';
import { notePrompt } from '../../src/provider-kit/map-training.ts';
import type { Translation, TranslationInput } from '../../src/provider/provider.ts';
import { chatVersion, checkTemplate } from '../../src/dataset/to-chat.ts';
import { Failure } from '../../src/errors.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import type { Dialect } from './dialect.ts';
import { toModelWarnings } from './model-warnings.ts';
import { parseOptions, type Options } from './options.ts';
import type { Method, OpenAIRequest, RowsPlan } from './request.ts';
import { mapNative } from './take-native.ts';
import { mapTraining } from './take-training.ts';

const fewestRows = 10;
const longestSuffix = 64;

/** Writes a job as the body of a create call, without its files. What the job does not say is left to the service. */
export function translate(dialect: Dialect, { spec, facts, model }: TranslationInput): Translation<OpenAIRequest> {
  const baseUrl = `targets.${spec.target}`;
  if (spec.model.kind !== 'service') {
    throw new Failure(
      'job-file-invalid',
      `${baseUrl}.model: ${dialect.name} expects the name of one of its models, found "${model.base}"`,
      {
        hint: 'such as gpt-4.1-mini-2025-04-14; folders and models of a hub are trained by other providers',
      },
    );
  }
  const options = parseOptions(dialect.options, spec.target, spec.options);
  const { notes: trainingNotes, method, seed } = mapTraining(spec.training, toMethodType(spec, dialect));
  const rows = toRowsPlan(spec, dialect, facts.labels, 'text2' in facts.columns);
  const native = mapNative(
    spec.native,
    spec.target,
    Object.keys(dialect.options.shape).filter((name) => name !== 'suffix'),
  );
  const suffix = options.suffix ?? `${spec.job}-${spec.target}`.slice(0, longestSuffix);
  const request: OpenAIRequest = {
    ...native.fields,
    ...dialect.toCreateExtras(options),
    model: spec.model.name,
    method,
    suffix,
    ...(seed === null ? {} : { seed }),
    rows,
  };
  const notes: Note[] = [
    ...trainingNotes,
    ...toRowsNotes(spec, rows),
    ...toOptionNotes(options, suffix),
    ...native.notes,
    ...toModelWarnings(dialect, spec.model.name, method.type),
    ...toLimitWarnings(dialect, spec, facts.train.rows),
  ];
  return { request, notes };
}

function toMethodType({ task, target, training }: RunSpec, dialect: Dialect): Method['type'] {
  const method = training.method ?? (task === 'preference' ? 'dpo' : 'sft');
  if ((method === 'dpo') === (task === 'preference')) return method === 'dpo' ? 'dpo' : 'supervised';
  // Never one for the other: they learn different things, and both are paid.
  throw new Failure(
    'job-file-invalid',
    `targets.${target}: ${dialect.name} expects the method "${method === 'dpo' ? 'sft' : 'dpo'}" for the task "${task}", found "${method}"`,
  );
}

function toRowsPlan({ task, target, prompt }: RunSpec, dialect: Dialect, labels: readonly string[], isPair: boolean): RowsPlan {
  if (task === 'text') {
    throw new Failure('job-file-invalid', `targets.${target}: ${dialect.name} expects a task of chats or labels, found "text"`, {
      hint: 'plain text has no answer that it could learn; the task "chat" has',
    });
  }
  if (task !== 'classification') return { task, conversion: null, prompt: null, labels: [] };
  if (prompt?.template !== undefined) checkTemplate(prompt.template, isPair);
  return { task, conversion: chatVersion, prompt, labels };
}

function toRowsNotes(spec: RunSpec, { conversion }: RowsPlan): Note[] {
  return notePrompt(spec, conversion, {
    converted: 'the service learns chats: a row is a question, its label the answer',
    unused: `the rows of the task "${spec.task}" are chats already`,
  });
}

function toOptionNotes(options: Options, suffix: string): Note[] {
  return [
    ...Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([field, value]): Note => ({ type: 'sent', field: `options.${field}`, value })),
    ...(options.suffix === undefined ? [{ type: 'defaulted', field: 'options.suffix', value: suffix } as const] : []),
  ];
}

function toLimitWarnings({ name }: Dialect, spec: RunSpec, rows: number): Note[] {
  const { suffix } = spec.options as Options;
  const problems = [
    ...(rows < fewestRows ? [`${name} expects at least ${fewestRows} training rows, and gets ${rows}: the job will fail`] : []),
    ...(suffix !== undefined && suffix.length > longestSuffix
      ? [`the service expects a suffix of at most ${longestSuffix} characters, and is sent ${suffix.length}`]
      : []),
    ...(spec.budget.hours === null ? [] : [`${name} has no limit of time for a job: it knows nothing of budget.hours`]),
  ];
  return problems.map((message) => ({ type: 'warning', message }));
}

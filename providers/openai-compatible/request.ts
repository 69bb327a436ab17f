import { z } from 'zod';
import { chatVersion, checkTemplate, labelListVersion } from '../../src/dataset/chat.ts';
import { Failure } from '../../src/errors.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import { isObject } from '../../src/lib/json.ts';
import type { Note } from '../../src/provider/note.ts';
import type { RequestPreview, Training, Translation, TranslationInput } from '../../src/provider/provider.ts';
import { noteNative, notePrompt, noteWritten } from '../../src/provider-kit/map-training.ts';
import { parseOptions } from '../../src/provider-kit/settings.ts';
import type { Api } from './client.ts';
import type { JobLabel, MethodType, OpenAICompatibleConfig, TargetOptions } from './config.ts';
import { noteModel } from './deprecations.ts';
import { mapHyperparameters } from './hyperparameters.ts';

/** How the rows become lines of the training file. */
export interface RowsPlan {
  readonly task: Exclude<RunSpec['task'], 'text'>;
  /** How a row of `classification` or `multi-label` becomes a chat; null for other tasks. */
  readonly conversion: string | null;
  readonly prompt: RunSpec['prompt'];
  /** Of these two, sorted; empty for other tasks. */
  readonly labels: readonly string[];
}

/** The body of a create call without its files; `rows` is ours and is not sent. */
export interface CreateRequest {
  readonly model: string;
  readonly suffix?: string;
  readonly rows: RowsPlan;
  readonly [field: string]: unknown;
}

/** Ids of uploaded files. */
export interface Prepared {
  readonly trainingFile: string;
  readonly validationFile: string | null;
  /** When the service got the training file, by its own clock, ISO 8601, where that is needed. */
  readonly uploadedAt?: string | null;
}

/** The exact body of the create call. */
export type CreateBody = Readonly<Record<string, unknown>>;

/** The suffix ends up in the name of the tuned model; the name of the target when absent. */
const defaultOptions = z.strictObject({ suffix: z.string().min(1).optional() });

const fewestRows = 10;
const longestSuffix = 64;

const keyName = 'orchestrate_key';
const attemptName = 'orchestrate_attempt';

/** Jobs carry their run in their metadata, by which OpenAI filters its list too. */
export const metadataLabel: JobLabel = {
  build: ({ key, attempt }, { metadata }) => ({
    metadata: { ...(metadata as object | undefined), [keyName]: key, [attemptName]: String(attempt) },
  }),
  query: (key) => ({ metadata: { [keyName]: key } }),
  parse({ metadata }) {
    const { [keyName]: key, [attemptName]: attempt } = isObject(metadata) ? metadata : {};
    return { key: typeof key === 'string' ? key : null, attempt: Number(attempt) };
  },
};

/** The part of a provider that writes requests. All of it is pure. */
export function createTranslation(api: Api): Pick<Training<CreateRequest, Prepared, CreateBody>, 'translate' | 'bind' | 'preview'> {
  const { config } = api;
  const label = config.find ?? metadataLabel;
  const bind = ({ rows: _rows, ...body }: CreateRequest, prepared: Prepared, key: RunKey, attempt: number): CreateBody => {
    const labelled = label.build({ key, attempt }, body);
    return {
      ...Object.fromEntries(Object.entries(body).filter(([field]) => !(field in labelled))),
      training_file: prepared.trainingFile,
      ...(prepared.validationFile === null ? {} : { validation_file: prepared.validationFile }),
      ...labelled,
    };
  };
  return {
    bind,
    translate: (input) => translate(api, input),
    preview(request, { key, facts }) {
      const hasValidation = facts.validation !== null;
      const names = ['train.jsonl', ...(hasValidation ? ['validation.jsonl'] : [])];
      const files = { trainingFile: '<id of train.jsonl>', validationFile: hasValidation ? '<id of validation.jsonl>' : null };
      return [
        ...names.map((file): RequestPreview => ({ what: 'POST /files', body: { purpose: 'fine-tune', file } })),
        { what: 'POST /fine_tuning/jobs', body: bind(request, files, key, 1) },
      ];
    },
  };
}

/** Writes a job as the body of a create call, without its files. What the job leaves out is left to the service. */
function translate(api: Api, { spec, facts, model }: TranslationInput): Translation<CreateRequest> {
  const { config } = api;
  if (spec.model.kind !== 'service') {
    const expected = `${config.name} expects the name of one of its models`;
    throw new Failure('job-file-invalid', `targets.${spec.target}.model: ${expected}, found "${model.base}"`, {
      hint: 'such as gpt-4.1-mini-2025-04-14; folders and models of a hub are trained by other providers',
    });
  }
  const schema = config.options ?? defaultOptions;
  const options: TargetOptions = parseOptions<TargetOptions>(schema, spec.target, spec.options);
  const method = parseMethod(spec, config);
  const { body, notes: trainingNotes } = (config.mapTraining ?? mapHyperparameters)(spec.training, method);
  const { seed, ...training } = body; // the seed goes last
  const rows = parseRowsPlan(spec, config, { labels: facts.labels, isPair: 'text2' in facts.columns });
  const ownOptions = Object.keys(schema.shape).filter((name) => name !== 'suffix');
  const nativeNotes = checkNative(spec, [...Object.keys(body), ...ownOptions], ownOptions);
  const suffix = 'suffix' in schema.shape ? (options.suffix ?? `${spec.job}-${spec.target}`.slice(0, longestSuffix)) : undefined;
  const request: CreateRequest = {
    ...spec.native,
    ...config.getExtraFields?.(options),
    model: spec.model.name,
    ...training,
    ...(suffix === undefined ? {} : { suffix }),
    ...(seed === undefined ? {} : { seed }),
    rows,
  };
  const notes: Note[] = [
    ...trainingNotes,
    ...notePrompt(spec, rows.conversion, {
      converted: 'the service learns chats: a row is a question, its label the answer',
      unused: `the rows of the task "${spec.task}" are chats already`,
    }),
    ...noteWritten('options', options),
    ...(options.suffix === suffix ? [] : [{ type: 'defaulted', field: 'options.suffix', value: suffix } as const]),
    ...nativeNotes,
    ...noteModel(api, spec.model.name, method),
    ...noteTraits(config, facts),
    ...noteLimits(config, spec, { suffix: options.suffix, rows: facts.train.rows }),
  ];
  return { request, notes };
}

/** Never one method for the other: they learn different things, and both are paid. */
export function parseMethod({ task, target, training }: RunSpec, { name }: Pick<OpenAICompatibleConfig, 'name'>): MethodType {
  const method = training.method ?? (task === 'preference' ? 'dpo' : 'sft');
  if ((method === 'dpo') === (task === 'preference')) return method === 'dpo' ? 'dpo' : 'supervised';
  const expected = method === 'dpo' ? 'sft' : 'dpo';
  throw new Failure(
    'job-file-invalid',
    `targets.${target}: ${name} expects the method "${expected}" for the task "${task}", found "${method}"`,
  );
}

export function parseRowsPlan(
  { task, target, prompt }: RunSpec,
  { name }: Pick<OpenAICompatibleConfig, 'name'>,
  { labels, isPair }: { labels: readonly string[]; isPair: boolean },
): RowsPlan {
  if (task === 'text' || task === 'regression') {
    throw new Failure('job-file-invalid', `targets.${target}: ${name} expects a task of chats or labels, found "${task}"`, {
      hint: task === 'text' ? 'plain text has no answer that it could learn; the task "chat" has' : 'the provider "local" trains it',
    });
  }
  if (task !== 'classification' && task !== 'multi-label') return { task, conversion: null, prompt: null, labels: [] };
  if (prompt?.template !== undefined) checkTemplate(prompt.template, isPair);
  return { task, conversion: task === 'multi-label' ? labelListVersion : chatVersion, prompt, labels };
}

/** What the rows have that the service takes in another way, or that nobody can price. */
function noteTraits({ name }: OpenAICompatibleConfig, { train }: TranslationInput['facts']): Note[] {
  const { images = 0, bareImages = 0, objectArguments = 0 } = train.traits ?? {};
  const rows = (count: number): string => `${count} training ${count === 1 ? 'row' : 'rows'}`;
  if (bareImages > 0) {
    throw new Failure('data-invalid', `${name} expects images as "image_url" with an address, found "image" alone in ${rows(bareImages)}`, {
      hint: 'Write each as {"type": "image_url", "image_url": {"url": "https://…"}}, or as data:image/png;base64,….',
    });
  }
  return [
    ...(objectArguments === 0
      ? []
      : [
          {
            type: 'converted',
            field: 'tool_calls.function.arguments',
            from: 'objects',
            value: 'JSON text',
            why: `${name} takes the arguments of a call as a string (${rows(objectArguments)})`,
          } as const,
        ]),
    ...(images === 0
      ? []
      : [
          {
            type: 'warning',
            message: `${rows(images)} ${images === 1 ? 'has' : 'have'} images, whose tokens cannot be counted here: the price is unknown; check that the model takes images in training`,
          } as const,
        ]),
  ];
}

function noteLimits(
  { name }: OpenAICompatibleConfig,
  { budget }: RunSpec,
  { suffix, rows }: { readonly suffix: string | undefined; readonly rows: number },
): Note[] {
  const problems = [
    ...(rows < fewestRows ? [`${name} expects at least ${fewestRows} training rows, and gets ${rows}: the job will fail`] : []),
    ...(suffix !== undefined && suffix.length > longestSuffix
      ? [`the service expects a suffix of at most ${longestSuffix} characters, and is sent ${suffix.length}`]
      : []),
    ...(budget.hours === null ? [] : [`${name} has no limit of time for a job: it cannot keep to budget.hours`]),
  ];
  return problems.map((message) => ({ type: 'warning', message }));
}

/** Fields of the create call for which the job has other words, and `rows`, which is our own. */
const owned = ['model', 'training_file', 'validation_file', 'method', 'hyperparameters', 'seed', 'suffix', 'rows'];

function checkNative(spec: RunSpec, alsoOwned: readonly string[], options: readonly string[]): Note[] {
  const { native, target } = spec;
  const notes = noteNative(spec, [...owned, ...alsoOwned], (field) => {
    return options.includes(field) ? `use the option targets.${target}.options.${field}` : 'say it with the fields of the job file';
  });
  const { metadata } = native;
  return metadata === undefined ? notes : [...notes, ...checkMetadata(metadata, `targets.${target}.native`)];
}

/** Metadata of the service: at most 16 pairs, keys of 64 and values of 512 characters; two pairs are ours. */
function checkMetadata(metadata: unknown, place: string): Note[] {
  const pairs = isObject(metadata) ? Object.entries(metadata) : null;
  if (pairs === null || pairs.some(([, value]) => typeof value !== 'string')) {
    throw new Failure('job-file-invalid', `${place}.metadata: expected an object of strings, found something else`);
  }
  const ours = pairs.find(([key]) => key === keyName || key === attemptName);
  if (ours !== undefined) {
    throw new Failure('job-file-invalid', `${place}.metadata.${ours[0]}: expected a key of your own, found one by which runs are found`);
  }
  const problems = [
    ...(pairs.length > 14 ? [`14 pairs of metadata beside two of ours, and is sent ${pairs.length}`] : []),
    ...pairs.filter(([key]) => key.length > 64).map(([key]) => `keys of at most 64 characters, and is sent one of ${key.length}`),
    ...(pairs as [string, string][])
      .filter(([, value]) => value.length > 512)
      .map(([key, value]) => `values of at most 512 characters, and is sent one of ${value.length} for ${JSON.stringify(key)}`),
  ];
  return problems.map((problem) => ({ type: 'warning', message: `the service expects ${problem}` }));
}

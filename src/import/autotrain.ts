import type { JobSpec, Training } from '../job/job-spec.ts';
import { omitUndefined } from '../lib/json.ts';
import { readModel, readSplit } from './hub-names.ts';
import { readName, type ConfigFormat, type ImportedJob } from './imported-job.ts';
import { readNumber, readText, type Source } from './source.ts';
import { defaultText, readBatchSize, readEarlyStopping, readNumbers, readPeft, readSchedule, type FindPath } from './training-fields.ts';
import { changesTraining } from './unmatched.ts';

/** Where parameters are outside of `params`, which is merged last and wins. */
const outer: Readonly<Record<string, string>> = {
  model: 'base_model',
  data_path: 'data.path',
  ...at('', 'project_name log'),
  ...at('data.', 'train_split valid_split chat_template'),
  ...at('data.column_mapping.', 'text_column target_column prompt_text_column rejected_text_column'),
  ...at('hub.', 'username token push_to_hub'),
};

function at(prefix: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, `${prefix}${name}`]));
}

function openParameters(source: Source): FindPath {
  for (const path of ['data', 'params', 'hub', 'data.column_mapping']) source.open(path);
  const isInParams = (name: string): boolean => source.get(['params', name]) !== undefined;
  for (const [name, path] of Object.entries(outer)) if (isInParams(name)) source.drop(path, `params.${name} replaces it`);
  return (name) => (isInParams(name) ? undefined : outer[name]) ?? `params.${name}`;
}

/** The tasks of AutoTrain that a job has. */
type Kind = 'classification' | 'regression' | 'sft' | 'dpo' | 'generic';

/** Whether a text has one label or number: AutoTrain trains the same models for both, with the same settings. */
function isOfTexts(kind: Kind): kind is 'classification' | 'regression' {
  return kind === 'classification' || kind === 'regression';
}

const kinds: Readonly<Record<string, Kind>> = { sft: 'sft', dpo: 'dpo', default: 'generic', generic: 'generic' };

function readKind(source: Source, find: FindPath): Kind {
  const expected = 'one of text-classification, text-regression, llm-sft, llm-dpo, llm-generic';
  const hint = 'A job trains classifiers, regressions, chats, preferences and texts; for another task write the job by hand.';
  const word = readText(source, 'task')?.replaceAll(/[_:]/g, '-') ?? source.refuse('task', expected, hint);
  if (/^text-((binary|multi-class)-)?classification$/.test(word)) return 'classification';
  if (/^text-(single-column-)?regression$/.test(word)) return 'regression';
  if (!/^llm(-\w+)?$/.test(word)) source.refuse('task', expected, hint);
  const trainer = readText(source, find('trainer'));
  const name = trainer ?? (word === 'llm' ? 'default' : word.slice('llm-'.length));
  if (!Object.hasOwn(kinds, name)) source.refuse(trainer === undefined ? 'task' : find('trainer'), expected, hint);
  return kinds[name]!;
}

function readTask(source: Source, find: FindPath, kind: Kind): JobSpec['task'] {
  const isChat = (readText(source, find('chat_template'))?.toLowerCase() ?? 'none') !== 'none';
  const task = isOfTexts(kind) ? kind : kind === 'dpo' ? 'preference' : kind === 'sft' && isChat ? 'chat' : 'text';
  source.note('task', kind === 'dpo' ? 'training.method' : 'task', `trains the task "${task}"`);
  source.note('params.trainer', 'task', 'replaces the trainer in the name of the task');
  return task;
}

type Columns = NonNullable<JobSpec['data']['columns']>;

/** Our columns with AutoTrain's names for them and its defaults; null where a column is required. */
const columns: Readonly<Record<JobSpec['task'], { readonly [C in keyof Columns]: readonly [theirs: string, otherwise: string | null] }>> = {
  classification: { text: ['text_column', 'text'], label: ['target_column', 'target'] },
  'multi-label': {}, // AutoTrain has no such task
  regression: { text: ['text_column', 'text'], label: ['target_column', 'target'] },
  chat: { messages: ['text_column', 'text'] },
  text: { text: ['text_column', 'text'] },
  preference: { prompt: ['prompt_text_column', null], chosen: ['text_column', null], rejected: ['rejected_text_column', null] },
};

function readColumns(source: Source, find: FindPath, task: JobSpec['task']): Columns {
  const entries = Object.entries(columns[task]).map(([ours, [theirs, otherwise]]) => {
    const path = find(theirs);
    const hint = 'The task llm-dpo needs all three columns.';
    const column = readText(source, path) ?? otherwise ?? source.refuse(path, 'the name of a column', hint);
    source.note(path, `data.columns.${ours}`);
    source.assume(path, `data.columns.${ours}`, { value: column, text: 'the column that AutoTrain reads' });
    return [ours, column];
  });
  return Object.fromEntries(entries) as Columns;
}

function readData(source: Source, find: FindPath, { kind, task }: { kind: Kind; task: JobSpec['task'] }): JobSpec['data'] {
  const isText = isOfTexts(kind);
  const read = (field: 'data.train' | 'data.validation', splitPath: string): ReturnType<typeof readSplit> => {
    const remark = isText ? '' : '; AutoTrain itself does not use it for language models';
    const files = { endings: ['.csv', '.jsonl'], usual: isText ? '.csv' : '.jsonl' };
    return readSplit(source, { path: find('data_path'), splitPath, field, remark, ...files });
  };
  const validationPath = find('valid_split');
  const hasValidation = readText(source, validationPath) !== undefined;
  const train = read('data.train', find('train_split'));
  const validation = hasValidation ? read('data.validation', validationPath).rows : undefined;
  if (isText && hasValidation) {
    const text = 'AutoTrain keeps the weights with the best validation loss: add "select": "best" for the same';
    source.assume('(select)', 'training.select', { value: 'best', text });
  } else if (isText && train.isLocal) {
    const text = 'AutoTrain uses a fifth of the rows of a file for validation: {"fraction": 0.2} trains on as few';
    source.assume(validationPath, 'data.validation', { value: 0.2, text });
  }
  return omitUndefined({ train: train.rows, validation, columns: readColumns(source, find, task) });
}

/** The longest row of a language model in tokens. A block of -1 is the tokenizer's length, at most 1024. */
function readMaxLength(source: Source, find: FindPath): Training {
  const [blockPath, modelPath] = [find('block_size'), find('model_max_length')];
  const isList = Array.isArray(source.get(blockPath));
  const block = isList ? undefined : readNumber(source, blockPath);
  const model = readNumber(source, modelPath);
  if (isList) source.drop(blockPath, `${changesTraining}: a list of lengths; a job has one`);
  if (model === undefined && (block ?? -1) === -1) {
    const text = "-1 is the model's own length, at most 1024 tokens";
    source.assume(blockPath, 'training.maxLength', { value: -1, text });
    if (block === -1) source.drop(blockPath, `${changesTraining}: ${text}: set training.maxLength`);
    return {};
  }
  const text = 'the shorter of block_size (where -1: at most 1024) and model_max_length';
  source.note(modelPath, 'training.maxLength', text);
  if (!isList) source.note(blockPath, 'training.maxLength', model === undefined ? null : text);
  return { maxLength: Math.min(block === undefined || block === -1 ? 1024 : block, model ?? Infinity) };
}

function readAdapter(source: Source, find: FindPath): Training {
  const training = readPeft(source, find, { enabled: 'peft', targets: 'target_modules' });
  if (training.adapter?.type === 'lora' && source.get(find('quantization')) === undefined) {
    const text = 'AutoTrain quantizes the weights while it trains an adapter, which a job cannot ask for';
    source.assume(find('quantization'), null, { value: 'int4', text });
  }
  return training;
}

/** AutoTrain ends a classifier's training early, with these numbers where the file has none. */
function readEarlyEnd(source: Source, find: FindPath): Training {
  const hasValidation = readText(source, find('valid_split')) !== undefined;
  const [patience, minDelta] = [
    ['early_stopping_patience', 5],
    ['early_stopping_threshold', 0.01],
  ] as const;
  const training = readEarlyStopping(source, find, { hasValidation, patience, minDelta });
  if (training.earlyStopping === undefined) {
    const text = 'AutoTrain ends early after 5 validations without progress: set training.earlyStopping for the same';
    source.assume(find(patience[0]), 'training.earlyStopping', { value: 5, text });
  }
  return training;
}

function readTraining(source: Source, find: FindPath, kind: Kind): Training {
  const isText = isOfTexts(kind);
  const loss = { value: 'all', text: 'all tokens count, of rows that are packed into blocks' };
  if (kind === 'sft') source.assume('(loss)', 'training.loss', loss);
  source.assume(find('scheduler'), 'training.schedule', { value: 'linear', text: defaultText });
  return {
    ...(isText ? {} : { method: kind === 'dpo' ? 'dpo' : 'sft' }),
    ...readNumbers(source, find, {
      epochs: ['epochs', isText ? 3 : 1],
      learningRate: ['lr', isText ? 5e-5 : 3e-5],
      weightDecay: ['weight_decay', 0],
      maxGradNorm: ['max_grad_norm', 1],
      seed: ['seed', 42],
    }),
    ...readBatchSize(source, find, { rows: 'batch_size', accumulation: 'gradient_accumulation', defaults: isText ? [8, 1] : [2, 4] }),
    ...readSchedule(source, find('scheduler'), () => readNumbers(source, find, { warmupRatio: ['warmup_ratio', 0.1] })),
    ...(kind === 'dpo' ? readNumbers(source, find, { beta: ['dpo_beta', 0.1] }) : {}),
    ...(isText ? readNumbers(source, find, { maxLength: ['max_seq_length', 128] }) : readMaxLength(source, find)),
    ...(isText ? readEarlyEnd(source, find) : readAdapter(source, find)),
  };
}

function readTarget(source: Source, find: FindPath, kind: Kind): ImportedJob['target'] {
  const model = readModel(source, find('model'));
  if (kind === 'regression') {
    if (readText(source, 'backend')?.startsWith('spaces-') === true) source.drop('backend', 'only the provider "local" trains numbers');
    return { name: 'local', provider: 'local', model, options: undefined };
  }
  const flavor = /^spaces-(.*)$/.exec(readText(source, 'backend') ?? '')?.[1];
  if (flavor !== undefined) source.note('backend', 'targets.options.flavor', 'the machine');
  const provider = flavor === undefined && !model.startsWith('hub:') ? 'local' : 'huggingface';
  return { name: provider, provider, model, options: flavor === undefined ? undefined : { flavor } };
}

/** The content of `autotrain --config`. */
export const autotrain: ConfigFormat = {
  title: 'an AutoTrain configuration (task, base_model, data, params)',
  marks: 'task base_model project_name backend params hub',
  parse(source) {
    const find = openParameters(source);
    const kind = readKind(source, find);
    const task = readTask(source, find, kind);
    return {
      source: 'an AutoTrain configuration',
      name: readName(source, find('project_name')),
      task,
      data: readData(source, find, { kind, task }),
      training: readTraining(source, find, kind),
      target: readTarget(source, find, kind),
    };
  },
};

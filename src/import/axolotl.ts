import type { JobSpec, Training } from '../job/job-spec.ts';
import { isObject, omitUndefined } from '../lib/json.ts';
import { readMixed, readModel } from './hub-names.ts';
import { readName, type ConfigFormat } from './imported-job.ts';
import { readFlag, readNumber, readText, type Source } from './source.ts';
import {
  defaultText,
  readBatchSize,
  readDuration,
  readEarlyStopping,
  readLora,
  readNumbers,
  readSchedule,
  readSelect,
  readWarmup,
} from './training-fields.ts';
import { changesTraining } from './unmatched.ts';

type Method = 'sft' | 'dpo';

function readMethod(source: Source): Method {
  const word = readText(source, 'rl');
  const hint = 'A job trains chats, texts, and preferences by DPO; for another training write the job by hand.';
  if (word !== undefined && word !== 'dpo') source.refuse('rl', 'dpo, or nothing', hint);
  for (const path of ['reward_model', 'process_reward_model']) if (readFlag(source, path) === true) source.refuse(path, 'false', hint);
  source.note('rl', 'training.method');
  return word ?? 'sft';
}

/** How many datasets a list has. */
function countDatasets(source: Source, path: string): number {
  const list = source.get(path) ?? [];
  if (!Array.isArray(list)) source.refuse(path, 'a list of datasets');
  return list.length;
}

/** Types of texts without a conversation. */
const plain = ['completion', 'pretrain'];

/** What the rows are: by the types of the datasets, which are names of forms or describe one. */
function readTask(source: Source, method: Method, count: number): JobSpec['task'] {
  const isPlain = Array.from({ length: count }, (_, i) => plain.includes(source.get(`datasets.${i}.type`) as string));
  const task = method === 'dpo' ? 'preference' : isPlain.every(Boolean) ? 'text' : 'chat';
  for (const [i, isText] of isPlain.entries()) {
    const path = `datasets.${i}.type`;
    if (isObject(source.get(path))) source.drop(path, `${changesTraining}: a form of its own; make rows with messages of it: data convert`);
    else if (isText && task === 'chat') source.drop(path, `${changesTraining}: texts beside conversations; a job has rows of one kind`);
    else
      source.note(
        path,
        'task',
        `trains the task "${task}"${task === 'chat' ? '; rows of ShareGPT and Alpaca, and with messages, are read' : ''}`,
      );
  }
  return task;
}

const ofPreference = { prompt: ['field_messages', 'field_prompt'], chosen: ['field_chosen'], rejected: ['field_rejected'] } as const;

/** The columns of the first dataset; a job has one name for each in all files. */
function readColumns(source: Source, task: JobSpec['task']): JobSpec['data']['columns'] {
  const read = (ours: string, names: readonly string[]): string | undefined => {
    for (const path of names.map((name) => `datasets.0.${name}`)) {
      const column = readText(source, path);
      if (column === undefined) continue;
      source.note(path, `data.columns.${ours}`);
      return column;
    }
    return undefined;
  };
  if (task === 'text') return { text: read('text', ['field']) ?? 'text' };
  if (task === 'preference') {
    const columns = omitUndefined({
      prompt: read('prompt', ofPreference.prompt),
      chosen: read('chosen', ofPreference.chosen),
      rejected: read('rejected', ofPreference.rejected),
    });
    return Object.keys(columns).length === 0 ? undefined : columns;
  }
  const messages = read('messages', ['field_messages']);
  return messages === undefined || messages === 'conversations' ? undefined : { messages }; // ShareGPT's is found by itself
}

function readData(source: Source, method: Method): { readonly task: JobSpec['task']; readonly data: JobSpec['data'] } {
  const count = countDatasets(source, 'datasets');
  if (count === 0) source.refuse('datasets', 'a list of datasets');
  const read = (list: string, field: 'data.train' | 'data.validation', length: number): string[] =>
    Array.from({ length }, (_, i) => readMixed(source, `${list}.${i}`, field)).flat();
  const train = read('datasets', 'data.train', count);
  const task = readTask(source, method, count);
  const tested = countDatasets(source, 'test_datasets');
  const rows = read('test_datasets', 'data.validation', tested);
  const size = readNumber(source, 'val_set_size') ?? 0;
  const isShare = size > 0 && size <= 0.5 && tested === 0;
  if (isShare) source.note('val_set_size', 'data.validation', 'the rows are chosen by their hash, not by a seed');
  else if (size !== 0)
    source.drop('val_set_size', `${changesTraining}: a job takes a share above 0 and up to 0.5 for validation, or files`);
  const validation = tested > 0 ? rows : isShare ? { fraction: size } : undefined;
  return { task, data: omitUndefined({ train: train.length === 1 ? train[0]! : train, validation, columns: readColumns(source, task) }) };
}

function readAdapter(source: Source): Training {
  const type = source.get('adapter') === '' ? undefined : readText(source, 'adapter');
  source.assume('adapter', 'training.adapter', { value: null, text: 'all parameters are trained, as with {"type": "full"}' });
  if (type === undefined) return {};
  if (type !== 'lora' && type !== 'qlora') {
    source.drop('adapter', `${changesTraining}: another kind of adapter`);
    return {};
  }
  source.note('adapter', 'training.adapter', 'added low-rank matrices');
  if (type === 'qlora')
    source.drop('adapter', `${changesTraining}: the weights are quantized while they are trained, which a job cannot ask for`);
  if (readFlag(source, 'lora_target_linear') === true) {
    source.drop('lora_target_linear', 'every linear map gets an adapter: set training.adapter.targets where a target chooses fewer');
  }
  return { adapter: readLora(source, String, { targets: 'lora_target_modules', rank: 8, alpha: 8, dropout: 0 }) };
}

function readLoss(source: Source, task: JobSpec['task']): Training {
  const isAll = readFlag(source, 'train_on_inputs');
  source.note('train_on_inputs', 'training.loss', `tokens of the ${isAll === true ? 'whole row' : 'answers'} count`);
  if (task !== 'chat') return {};
  source.assume('train_on_inputs', 'training.loss', { value: false, text: 'the answers count, and not the questions' });
  return isAll === undefined ? {} : { loss: isAll ? 'all' : 'answer' };
}

const warmup = { value: 0.03, text: "the default of the source's program: 3 % of the steps, at most 100 of them" };

function readTraining(source: Source, method: Method, { task, data }: { task: JobSpec['task']; data: JobSpec['data'] }): Training {
  const hasValidation = data.validation !== undefined;
  const duration = readDuration(source, ['num_epochs', 1]);
  source.assume('lr_scheduler', 'training.schedule', { value: 'cosine', text: defaultText });
  return {
    method,
    ...duration,
    ...readNumbers(source, String, {
      learningRate: ['learning_rate'],
      weightDecay: ['weight_decay', 0],
      maxGradNorm: ['max_grad_norm', 1],
      seed: ['seed', 42],
      maxLength: ['sequence_len', 512],
      ...(method === 'dpo' ? { beta: ['rl_beta', 0.1] as const } : {}),
    }),
    ...readBatchSize(source, String, { rows: 'micro_batch_size', accumulation: 'gradient_accumulation_steps', defaults: [1, 1] }),
    ...readSchedule(source, 'lr_scheduler', () => readWarmup(source, duration.steps, warmup)),
    ...readAdapter(source),
    ...readLoss(source, task),
    ...readEarlyStopping(source, String, { hasValidation, patience: ['early_stopping_patience', 1], minDelta: ['(least progress)', 0] }),
    ...readSelect(source, hasValidation),
  };
}

/** A file for `axolotl train`. */
export const axolotl: ConfigFormat = {
  title: 'a configuration of axolotl (base_model, datasets, sequence_len, micro_batch_size)',
  marks: 'sequence_len micro_batch_size datasets adapter',
  parse(source) {
    const method = readMethod(source);
    const { task, data } = readData(source, method);
    const model = readModel(source, 'base_model', 'revision_of_model');
    const provider = model.startsWith('hub:') ? 'huggingface' : 'local';
    return {
      source: 'a configuration of axolotl',
      name: readName(source, 'output_dir'),
      task,
      data,
      training: readTraining(source, method, { task, data }),
      target: { name: provider, provider, model },
    };
  },
};

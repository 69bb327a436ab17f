import type { JobSpec, Training } from '../job/job-spec.ts';
import { isObject, omitUndefined } from '../lib/json.ts';
import { pathNote, readModel } from './hub-names.ts';
import { readName, type ConfigFormat } from './imported-job.ts';
import { readFlag, readNumber, readText, type Fields, type Source } from './source.ts';
import {
  defaultText,
  readBatchSize,
  readDuration,
  readLora,
  readNumbers,
  readSchedule,
  readSelect,
  readWarmup,
} from './training-fields.ts';
import { changesTraining } from './unmatched.ts';

/** The stages of LLaMA-Factory that a job has. */
const stages = {
  sft: { task: 'chat', method: 'sft' },
  dpo: { task: 'preference', method: 'dpo' },
  pt: { task: 'text', method: 'sft' },
} as const satisfies Readonly<Record<string, { task: JobSpec['task']; method: 'sft' | 'dpo' }>>;

type Stage = keyof typeof stages;

function readStage(source: Source): Stage {
  const stage = readText(source, 'stage') ?? 'sft';
  if (!Object.hasOwn(stages, stage)) {
    source.refuse('stage', 'one of sft, dpo, pt', 'A job trains chats, preferences and texts; for another stage write the job by hand.');
  }
  source.note('stage', 'task', `trains the task "${stages[stage as Stage].task}"`);
  source.assume('stage', 'task', { value: 'sft', text: defaultText });
  return stage as Stage;
}

/** A dataset as `dataset_info.json` describes it; null: the file is not there, or has no such entry. */
type DatasetInfo = Fields | null;

interface Folder {
  /** As the job names it. */
  readonly path: string;
  readonly find: (name: string) => DatasetInfo;
}

/** The folder of the datasets: LLaMA-Factory starts at its own folder, and configurations are some levels below it. */
function openFolder(source: Source): Folder {
  const name = (readText(source, 'dataset_dir') ?? 'data').replace(/^\.\//, '').replace(/(?<=.)\/+$/, '');
  const all = name.startsWith('/') ? [name] : ['.', '..', '../..'].map((up) => `${up}/${name}`);
  const path = all.find((one) => source.context.exists?.(`${one}/dataset_info.json`) === true) ?? all[0]!;
  const list = source.context.readJson?.(`${path}/dataset_info.json`);
  source.note('dataset_dir', 'data.train', 'the folder of the files');
  return {
    path,
    find(entry) {
      const info = isObject(list) && Object.hasOwn(list, entry) ? list[entry] : null;
      return isObject(info) ? info : null;
    },
  };
}

/** Names of datasets in a list or with commas between them. */
function readDatasetNames(source: Source, path: string): string[] {
  const value = source.get(path) ?? undefined;
  if (value === undefined) return [];
  const texts = Array.isArray(value) ? value.map((_, i) => readText(source, `${path}.${i}`)) : readText(source, path)?.split(',');
  const names = texts?.map((text) => text?.trim() ?? '') ?? [];
  if (names.length === 0 || names.some((name) => !/^[\w.:@/-]+$/.test(name))) source.refuse(path, 'names of datasets');
  return names;
}

/** A file in the folder, or a dataset of the Hub. */
function toRows(source: Source, name: string, { path, find }: Folder): { readonly rows: string; readonly isKnown: boolean } {
  const info = find(name);
  const getText = (key: string): string | null => (typeof info?.[key] === 'string' && /^[\w./-]+$/.test(info[key]) ? info[key] : null);
  const file = getText('file_name');
  const hub = getText('hf_hub_url') ?? (/^[\w-][\w.-]*\/[\w.-]+$/.test(name) ? name : null);
  if (file === null && hub !== null && /^[\w.-]+\/[\w.-]+$/.test(hub)) {
    return {
      rows: `hub:${hub}#${[getText('subset'), getText('split') ?? 'train'].filter((part) => part !== null).join('/')}`,
      isKnown: true,
    };
  }
  const local = `${path}/${file ?? `${name.replaceAll(/[:@]/g, '-')}.json`}`;
  return {
    rows: source.context.relocate?.(local) ?? (local.startsWith('/') || local.startsWith('.') ? local : `./${local}`),
    isKnown: file !== null,
  };
}

function readDatasets(source: Source, field: 'data.train' | 'data.validation', folder: Folder): string[] {
  const path = field === 'data.train' ? 'dataset' : 'eval_dataset';
  const found = readDatasetNames(source, path).map((name) => toRows(source, name, folder));
  const hint = found.every(({ isKnown }) => isKnown)
    ? ''
    : '; dataset_info.json does not describe all of them: check the names of the files';
  source.note(path, field, `files of the datasets; ${pathNote}${hint}`);
  return found.map(({ rows }) => rows);
}

/** The columns of the first dataset, where they have other names than a job expects. */
function readColumns(source: Source, stage: Stage, folder: Folder): JobSpec['data']['columns'] {
  const [name] = readDatasetNames(source, 'dataset');
  const info = folder.find(name ?? '');
  const columns = isObject(info?.['columns']) ? info['columns'] : {};
  const get = (key: string, otherwise: string): string =>
    typeof columns[key] === 'string' && columns[key] !== '' ? columns[key] : otherwise;
  if (stage === 'pt') return { text: get('prompt', 'text') };
  const isShared = info?.['formatting'] === 'sharegpt';
  if (stage === 'dpo') {
    const prompt = isShared ? undefined : get('prompt', 'instruction');
    return info === null ? undefined : omitUndefined({ prompt, chosen: get('chosen', 'chosen'), rejected: get('rejected', 'rejected') });
  }
  const messages = isShared ? get('messages', 'conversations') : 'conversations';
  return messages === 'conversations' ? undefined : { messages };
}

function readData(source: Source, stage: Stage): JobSpec['data'] {
  const folder = openFolder(source);
  const train = readDatasets(source, 'data.train', folder);
  if (train.length === 0) source.refuse('dataset', 'the names of datasets');
  const columns = readColumns(source, stage, folder);
  const evaluated = readDatasets(source, 'data.validation', folder);
  const size = readNumber(source, 'val_size') ?? 0;
  const isShare = size > 0 && size <= 0.5;
  if (size > 0 && evaluated.length > 0) source.refuse('val_size', 'either val_size or eval_dataset');
  if (isShare) source.note('val_size', 'data.validation', 'the rows are chosen by their hash, not by a seed');
  else if (size !== 0) source.drop('val_size', `${changesTraining}: a job takes a share above 0 and up to 0.5 for validation`);
  const validation = isShare ? { fraction: size } : evaluated.length > 0 ? evaluated : undefined;
  return omitUndefined({ train: train.length === 1 ? train[0]! : train, validation, columns });
}

const lora = { lora_r: 'lora_rank' } as const;

function readAdapter(source: Source): Training {
  const path = 'finetuning_type';
  const type = readText(source, path) ?? 'lora';
  source.assume(path, 'training.adapter', { value: 'lora', text: defaultText });
  if (type === 'full') {
    source.note(path, 'training.adapter', 'all parameters are trained');
    return { adapter: { type: 'full' } };
  }
  if (type !== 'lora') {
    source.drop(path, `${changesTraining}: a job trains all parameters or LoRA`);
    return {};
  }
  source.note(path, 'training.adapter', 'added low-rank matrices');
  const find = (name: string): string => (name === 'lora_r' ? lora.lora_r : name);
  const rank = readNumber(source, lora.lora_r) ?? 8;
  return { adapter: readLora(source, find, { targets: 'lora_target', rank: 8, alpha: 2 * rank, dropout: 0 }) };
}

function readLoss(source: Source, stage: Stage): Training {
  if (stage === 'pt') return {};
  const isAll = readFlag(source, 'train_on_prompt');
  source.note('train_on_prompt', 'training.loss', `tokens of the ${isAll === true ? 'whole row' : 'answers'} count`);
  source.assume('train_on_prompt', 'training.loss', { value: 'answer', text: 'the answers count, and not the questions' });
  return isAll === undefined || stage === 'dpo' ? {} : { loss: isAll ? 'all' : 'answer' };
}

function readTraining(source: Source, stage: Stage, hasValidation: boolean): Training {
  const duration = readDuration(source, ['num_train_epochs', 3]);
  source.assume('lr_scheduler_type', 'training.schedule', { value: 'linear', text: defaultText });
  return {
    method: stages[stage].method,
    ...duration,
    ...readNumbers(source, String, {
      learningRate: ['learning_rate', 5e-5],
      weightDecay: ['weight_decay', 0],
      maxGradNorm: ['max_grad_norm', 1],
      seed: ['seed', 42],
      maxLength: ['cutoff_len', 2048],
      ...(stage === 'dpo' ? { beta: ['pref_beta', 0.1] as const } : {}),
    }),
    ...readBatchSize(source, String, {
      rows: 'per_device_train_batch_size',
      accumulation: 'gradient_accumulation_steps',
      defaults: [8, 1],
    }),
    ...readSchedule(source, 'lr_scheduler_type', () => readWarmup(source, duration.steps)),
    ...readAdapter(source),
    ...readLoss(source, stage),
    ...readSelect(source, hasValidation),
  };
}

/** A file for `llamafactory-cli train`. */
export const llamafactory: ConfigFormat = {
  title: 'a configuration of LLaMA-Factory (model_name_or_path, stage, finetuning_type, dataset)',
  marks: 'stage finetuning_type cutoff_len dataset_dir',
  parse(source) {
    const stage = readStage(source);
    const data = readData(source, stage);
    const model = readModel(source, 'model_name_or_path', 'model_revision');
    const provider = model.startsWith('hub:') ? 'huggingface' : 'local';
    return {
      source: 'a configuration of LLaMA-Factory',
      name: readName(source, source.get('run_name') === undefined ? 'output_dir' : 'run_name'),
      task: stages[stage].task,
      data,
      training: readTraining(source, stage, data.validation !== undefined),
      target: { name: provider, provider, model },
    };
  },
};

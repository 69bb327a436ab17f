import type { JobSpec, Training } from '../job/job-spec.ts';
import { readMixed, readModel, readSplit, usualFiles } from './hub-names.ts';
import { readName, type ConfigFormat } from './imported-job.ts';
import { readFlag, readNumber, readText, type Source } from './source.ts';
import { changesTraining, isListed } from './unmatched.ts';
import {
  defaultText,
  readBatchSize,
  readDuration,
  readNumbers,
  readPeft,
  readSchedule,
  readSelect,
  readWarmup,
} from './training-fields.ts';

type Method = 'sft' | 'dpo';

/** Flags that only one of the two commands has. */
const own: Readonly<Record<Method, string>> = {
  sft: 'packing packing_strategy eval_packing eos_token dataset_text_field dataset_kwargs completion_only_loss assistant_only_loss shuffle_dataset chat_template_path',
  dpo: 'beta precompute_ref_* ref_model_* sync_ref_model disable_dropout ld_alpha use_weighting discopop_tau f_alpha_divergence_coef f_divergence_type label_smoothing loss_weights',
};

/** The command that the file is for: as the user said, else by the flags that only one has, else sft. */
function readMethod(source: Source): Method {
  const flags = Object.keys(source.open('') ?? {});
  const loss: unknown = [source.get('loss_type') ?? []].flat()[0];
  const lossMethod = loss === undefined ? null : ['nll', 'dft', 'chunked_nll'].includes(loss as string) ? 'sft' : 'dpo';
  const found = (['sft', 'dpo'] as const).filter((one) => lossMethod === one || flags.some((flag) => isListed(own[one], flag)));
  const { method } = source.context;
  if (found.length > 1 || (method !== undefined && found.length > 0 && !found.includes(method))) {
    const hint = 'The file has flags of the other command, or of both.';
    source.refuse('', `flags of trl ${method ?? 'sft or of trl dpo'}`, hint);
  }
  if (method === undefined && found.length === 0) {
    const text = 'the file does not say for which command it is; for trl dpo import it with --method dpo';
    source.assume('(command)', 'training.method', { value: 'sft', text });
  }
  return method ?? found[0] ?? 'sft';
}

/** What a row is, as far as the flags say: TRL itself looks at the columns. */
function readTask(source: Source, method: Method): JobSpec['task'] {
  if (method === 'dpo') return 'preference';
  const isChat = readFlag(source, 'assistant_only_loss') === true || source.get('chat_template_path') !== undefined;
  const task = !isChat && readText(source, 'dataset_text_field') !== undefined ? 'text' : 'chat';
  const kinds = 'it is "chat" where rows have "messages", "text" where they have one text';
  const text = `TRL looks at the columns: ${kinds}; rows with "prompt" and "completion" must become messages`;
  source.assume('(columns)', 'task', { value: task, text });
  return task;
}

function readData(source: Source): JobSpec['data'] {
  const datasets = source.get('datasets') ?? [];
  if (!Array.isArray(datasets)) source.refuse('datasets', 'a list of datasets');
  const strategy = source.get('eval_strategy');
  const isEvaluating = typeof strategy === 'string' && !['no', 'false', 'off'].includes(strategy.toLowerCase());
  const noteStrategy = (): void =>
    source.note('eval_strategy', 'data.validation', 'validation rows are evaluated; the target decides when');
  if (datasets.length > 0) {
    const train = datasets.flatMap((_, i) => readMixed(source, `datasets.${i}`));
    const fraction = readNumber(source, 'test_split_size');
    if (fraction === undefined || !isEvaluating) return { train };
    if (fraction <= 0 || fraction > 0.5) {
      source.drop('test_split_size', 'a job takes a share above 0 and up to 0.5 for validation');
      return { train };
    }
    source.note('test_split_size', 'data.validation', 'the rows are chosen by their hash, not by a seed');
    noteStrategy();
    return { train, validation: { fraction } };
  }
  const paths = { path: 'dataset_name', configPath: 'dataset_config' };
  const train = readSplit(source, { ...paths, splitPath: 'dataset_train_split', field: 'data.train', ...usualFiles }).rows;
  const validationPath = 'dataset_test_split';
  if (!isEvaluating) return { train };
  noteStrategy();
  return { train, validation: readSplit(source, { ...paths, splitPath: validationPath, field: 'data.validation', ...usualFiles }).rows };
}

/** The tokens that count, where the source says it. */
function readLoss(source: Source): Training {
  const flags = ['assistant_only_loss', 'completion_only_loss'];
  const values = flags.map((flag) => readFlag(source, flag));
  const loss = values.includes(true) ? 'answer' : 'all';
  const text = 'all tokens of a conversation or a text count; of rows with "prompt" and "completion" the answer only';
  for (const flag of flags) source.note(flag, 'training.loss', `tokens of the ${loss === 'all' ? 'whole row' : 'answer'} count`);
  if (values.some((value) => value !== undefined)) return { loss };
  source.assume('completion_only_loss', 'training.loss', { value: null, text });
  return {};
}

/** `max_seq_length` is its name in older versions. */
function readMaxLength(source: Source): Training {
  const isOld = source.get('max_length') === undefined && source.get('max_seq_length') !== undefined;
  if (isOld) return readNumbers(source, String, { maxLength: ['max_seq_length'] });
  if (source.get('max_length') === null)
    source.drop('max_length', `${changesTraining}: null means that no row is cut, which a job cannot say`);
  return readNumbers(source, String, { maxLength: ['max_length', 1024] });
}

function readTraining(source: Source, method: Method, data: JobSpec['data']): Training {
  const duration = readDuration(source, ['num_train_epochs', 3]);
  source.assume('lr_scheduler_type', 'training.schedule', { value: 'linear', text: defaultText });
  return {
    method,
    ...duration,
    ...readNumbers(source, String, {
      learningRate: ['learning_rate', method === 'dpo' ? 1e-6 : 2e-5],
      weightDecay: ['weight_decay', 0],
      maxGradNorm: ['max_grad_norm', 1],
      seed: ['seed', 42],
      ...(method === 'dpo' ? { beta: ['beta', 0.1] } : {}),
    }),
    ...readBatchSize(source, String, {
      rows: 'per_device_train_batch_size',
      accumulation: 'gradient_accumulation_steps',
      defaults: [8, 1],
    }),
    ...readSchedule(source, 'lr_scheduler_type', () => readWarmup(source, duration.steps)),
    ...readPeft(source, String, { enabled: 'use_peft', targets: 'lora_target_modules', rankStabilized: 'use_rslora' }),
    ...(method === 'sft' ? readLoss(source) : {}),
    ...readSelect(source, data.validation !== undefined),
    ...readMaxLength(source),
  };
}

/** A file for `trl sft --config` or `trl dpo --config`. */
export const trl: ConfigFormat = {
  title: 'a configuration for trl sft or trl dpo (model_name_or_path, dataset_name)',
  marks: 'model_name_or_path dataset_name datasets output_dir per_device_train_batch_size num_train_epochs max_steps use_peft',
  parse(source) {
    const method = readMethod(source);
    const task = readTask(source, method);
    const data = readData(source);
    const column = task === 'text' ? readText(source, 'dataset_text_field') : undefined;
    if (column !== undefined) source.note('dataset_text_field', 'data.columns.text');
    const model = readModel(source, 'model_name_or_path', 'model_revision');
    const provider = model.startsWith('hub:') ? 'huggingface' : 'local';
    return {
      source: `a configuration of trl ${method}`,
      name: readName(source, source.get('run_name') === undefined ? 'output_dir' : 'run_name'),
      task,
      data: column === undefined ? data : { ...data, columns: { text: column } },
      training: readTraining(source, method, data),
      target: { name: provider, provider, model },
    };
  },
};

import type { Training } from '../job/job-spec.ts';
import { readName, type ConfigFormat } from './imported-job.ts';
import { changesTraining } from './unmatched.ts';
import { readServiceFiles, readServiceModel } from './openai.ts';
import { readFlag, readNumber, readText, type Source } from './source.ts';
import { readBatchSize, readEarlyStopping, readLora, readNumbers, readSchedule } from './training-fields.ts';

function readMethod(source: Source): 'sft' | 'dpo' {
  if (source.open('training_method') === undefined) return 'sft';
  const path = 'training_method.method';
  const method = readText(source, path);
  if (method !== 'sft' && method !== 'dpo') source.refuse(path, '"sft" or "dpo"');
  source.note(path, 'training.method');
  return method;
}

/** "max" is the largest batch that the service can do: a number that only the service knows. */
function readBatch(source: Source): Training {
  const [rows, accumulation] = ['batch_size', 'gradient_accumulation_steps'];
  if ((source.get(rows) ?? 'max') !== 'max') return readBatchSize(source, String, { rows, accumulation, defaults: [1, 1] });
  readNumber(source, accumulation);
  const text = 'the largest batch that the service can do, which only the service knows: set training.batchSize';
  source.drop(rows, `${changesTraining}: ${text}`);
  source.drop(accumulation, `${changesTraining}: it multiplies a batch whose size only the service knows`);
  source.assume(rows, 'training.batchSize', { value: 'max', text });
  return {};
}

/** Whether the prompt counts too; "auto" leaves it to the service. The older place is at the top. */
function readLoss(source: Source): Training {
  const [inMethod, atTop] = ['training_method.train_on_inputs', 'train_on_inputs'];
  const path = source.get(inMethod) === undefined ? atTop : inMethod;
  const isAuto = source.get(path) === 'auto';
  const isAll = isAuto ? undefined : readFlag(source, path);
  const text =
    isAll === undefined ? 'the service decides by the kind of the rows' : isAll ? 'the prompt counts too' : 'only the answer counts';
  source.note(path, 'training.loss', text);
  if (source.get(path) === undefined) source.assume(inMethod, 'training.loss', { value: 'auto', text });
  return isAll === undefined ? {} : { loss: isAll ? 'all' : 'answer' };
}

function readAdapter(source: Source): Training {
  const find = (name: string): string => `training_type.${name}`;
  if (source.open('training_type') === undefined) {
    const text = 'LoRA of a rank that the service chooses: set training.adapter';
    source.assume('training_type', 'training.adapter', { value: { type: 'Lora' }, text });
    return {};
  }
  const type = readText(source, find('type'))?.toLowerCase();
  if (type !== 'full' && type !== 'lora') source.refuse(find('type'), '"Full" or "Lora"');
  const targets = 'lora_trainable_modules';
  if (type === 'full') {
    source.note(find('type'), 'training.adapter', 'all parameters are trained');
    return { adapter: { type } };
  }
  const rank = readNumber(source, find('lora_r'));
  if (rank === undefined) {
    source.drop(find('type'), `${changesTraining}: a job needs a rank with it; set training.adapter`);
    source.assume(find('lora_r'), 'training.adapter.rank', { value: null, text: 'the service chooses the rank' });
    return {};
  }
  source.note(find('type'), 'training.adapter', 'added low-rank matrices');
  return { adapter: readLora(source, find, { rank, targets, alpha: null, dropout: null }) };
}

function readEarlyEnd(source: Source): Training {
  const path = 'early_stopping_enabled';
  if (readFlag(source, path) !== true) return {};
  const hasValidation = source.get('validation_file') != null;
  if (!hasValidation) source.drop(path, `${changesTraining}: a job ends early by its validation rows: set data.validation with it`);
  else source.note(path, 'training.earlyStopping', 'by the validation loss');
  return {
    ...(hasValidation ? { earlyStopping: { patience: 2 } } : {}),
    ...readEarlyStopping(source, String, {
      hasValidation,
      patience: ['early_stopping_patience', 2],
      minDelta: ['early_stopping_min_delta', 0],
    }),
  };
}

function readTraining(source: Source, method: 'sft' | 'dpo'): Training {
  const isDpo = method === 'dpo';
  source.open('lr_scheduler');
  return {
    method,
    ...readNumbers(source, String, {
      epochs: ['n_epochs', null],
      learningRate: ['learning_rate', null],
      weightDecay: ['weight_decay'],
      maxGradNorm: ['max_grad_norm'],
      maxLength: ['max_seq_length', null],
      seed: ['random_seed', null],
      ...(isDpo ? { beta: ['training_method.dpo_beta'] } : {}),
    }),
    ...readBatch(source),
    ...readSchedule(source, 'lr_scheduler.lr_scheduler_type', () => readNumbers(source, String, { warmupRatio: ['warmup_ratio'] })),
    ...readAdapter(source),
    ...readEarlyEnd(source),
    ...(isDpo ? {} : readLoss(source)),
  };
}

/** The body of Together's call that creates a fine-tuning job. */
export const together: ConfigFormat = {
  title: 'a create call of Together (model, training_file, n_epochs, training_type)',
  marks:
    'n_epochs n_evals n_checkpoints batch_size learning_rate lr_scheduler warmup_ratio max_grad_norm weight_decay max_seq_length packing random_seed training_method training_type train_on_inputs from_checkpoint from_hf_model hf_* early_stopping_* wandb_* multimodal_params lora',
  parse(source) {
    const method = readMethod(source);
    const text = 'Together looks at the rows: write "text" where each has one text';
    if (method === 'sft') source.assume('(rows)', 'task', { value: 'chat', text });
    return {
      source: 'a create call of Together',
      name: readName(source, 'suffix'), // the suffix of a run is its key, so that it is found again
      task: method === 'dpo' ? 'preference' : 'chat',
      data: readServiceFiles(source),
      training: readTraining(source, method),
      target: { name: 'together', provider: 'together', model: readServiceModel(source) },
    };
  },
};

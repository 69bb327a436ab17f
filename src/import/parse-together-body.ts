import type { Training } from '../job/job-spec.ts';
import { finishJob } from './finish-job.ts';
import { changesTraining, type ImportedJob } from './imported-job.ts';
import { readName } from './read-name.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { readServiceFiles, readServiceModel } from './service-files.ts';
import {
  openSource,
  readFields,
  readFlag,
  readInteger,
  readText,
  toRefusal,
  toValue,
  type Source,
  type SourceContext,
  type SourcePath,
} from './source.ts';
import { toTogetherReason } from './together-reasons.ts';
import { assumeDefaults, readBatchSize, readLoraParts, readMaxGradNorm, readSchedule, readSeed, readTraining } from './training-fields.ts';

type Method = 'sft' | 'dpo';

function readMethod(source: Source): Method {
  if (readFields(source, ['training_method']) === undefined) return 'sft';
  const path = ['training_method', 'method'];
  const method = readText(source, path);
  if (method !== 'sft' && method !== 'dpo') throw toRefusal(source, path, '"sft" or "dpo"');
  carry(source, path, 'training.method');
  return method;
}

/** "max" is the largest batch that the service can do: a number that only the service knows. */
function readBatch(source: Source): Training {
  const rows = ['batch_size'];
  const accumulation = ['gradient_accumulation_steps'];
  const value = toValue(source, rows);
  const isMax = value === 'max';
  if (!isMax && value !== undefined && value !== null)
    return readBatchSize(source, { rows, accumulation, defaults: { rows: 1, accumulation: 1 } });
  readInteger(source, accumulation, 1);
  leave(source, accumulation, `${changesTraining}: it multiplies a batch whose size only the service knows`);
  const text = 'the largest batch that the service can do, a number that only it knows: set training.batchSize';
  if (isMax) leave(source, rows, `${changesTraining}: ${text}`);
  else assume(source, rows, { field: 'training.batchSize', value: 'max', text });
  return {};
}

/** Whether the prompt counts, too; "auto" leaves it to the service. At the top it is the older place. */
function readLoss(source: Source): Training {
  const inMethod = ['training_method', 'train_on_inputs'];
  const atTop = ['train_on_inputs'];
  const path = toValue(source, inMethod) === undefined ? atTop : inMethod;
  if (path === inMethod) leave(source, atTop, 'training_method.train_on_inputs replaces it');
  if (toValue(source, path) === undefined || toValue(source, path) === 'auto') {
    const text = 'the service decides by the kind of the rows, as where a field is absent';
    convert(source, path, { field: 'training.loss', text });
    if (toValue(source, path) === undefined) assume(source, inMethod, { field: 'training.loss', value: 'auto', text });
    return {};
  }
  const isAll = readFlag(source, path);
  if (isAll === undefined) return {};
  convert(source, path, { field: 'training.loss', text: isAll ? 'the prompt counts, too' : 'the answer counts' });
  return { loss: isAll ? 'all' : 'answer' };
}

function readAdapter(source: Source): Training {
  const at = (name: string): SourcePath => ['training_type', name];
  if (readFields(source, ['training_type']) === undefined) {
    const text = 'LoRA of a rank that the service chooses: set training.adapter';
    assume(source, ['training_type'], { field: 'training.adapter', value: { type: 'Lora' }, text });
    return {};
  }
  const type = readText(source, at('type'))?.toLowerCase();
  if (type !== 'full' && type !== 'lora') throw toRefusal(source, at('type'), '"Full" or "Lora"');
  const parts = { alpha: at('lora_alpha'), dropout: at('lora_dropout'), targets: at('lora_trainable_modules') };
  if (type === 'full') {
    convert(source, at('type'), { field: 'training.adapter', text: 'all parameters are trained' });
    for (const path of [at('lora_r'), ...Object.values(parts)]) leave(source, path, 'the source does not use it with Full');
    return { adapter: { type: 'full' } };
  }
  const rank = readInteger(source, at('lora_r'), 1);
  if (rank === undefined) {
    for (const path of [at('type'), ...Object.values(parts)])
      leave(source, path, `${changesTraining}: a job needs a rank beside it; set training.adapter`);
    assume(source, at('lora_r'), { field: 'training.adapter.rank', value: null, text: 'the service chooses the rank' });
    return {};
  }
  convert(source, at('type'), { field: 'training.adapter', text: 'added low-rank matrices' });
  carry(source, at('lora_r'), 'training.adapter.rank');
  return { adapter: { type: 'lora', rank, ...readLoraParts(source, { ...parts, defaults: { alpha: null, dropout: null } }) } };
}

function readCourse(source: Source): Training {
  readFields(source, ['lr_scheduler']);
  return readSchedule(source, ['lr_scheduler', 'lr_scheduler_type'], {
    warmups: [['warmup_ratio']],
    readWarmup: () => readTraining(source, ['warmup_ratio'], 'warmupRatio'),
  });
}

function readTrainingFields(source: Source, method: Method): Training {
  const beta = ['training_method', 'dpo_beta'];
  if (method !== 'dpo') leave(source, beta, 'of the method dpo only');
  const training: Training = {
    method,
    ...readTraining(source, ['n_epochs'], 'epochs'),
    ...readBatch(source),
    ...readTraining(source, ['learning_rate'], 'learningRate'),
    ...readCourse(source),
    ...readTraining(source, ['weight_decay'], 'weightDecay'),
    ...readMaxGradNorm(source, ['max_grad_norm']),
    ...(method === 'dpo' ? readTraining(source, beta, 'beta') : {}),
    ...readAdapter(source),
    ...(method === 'sft' ? readLoss(source) : {}),
    ...readTraining(source, ['max_seq_length'], 'maxLength'),
    ...readSeed(source, ['random_seed']),
  };
  if (method === 'dpo')
    for (const path of [['train_on_inputs'], ['training_method', 'train_on_inputs']]) leave(source, path, 'of the method sft only');
  const text = 'the service decides, and another target decides otherwise';
  assumeDefaults(source, training, [
    { field: 'epochs', path: ['n_epochs'], value: null, text },
    { field: 'learningRate', path: ['learning_rate'], value: null, text },
    { field: 'maxLength', path: ['max_seq_length'], value: null, text },
    { field: 'seed', path: ['random_seed'], value: null, text },
  ]);
  return training;
}

/**
 * The body of Together's call that creates a fine-tuning job, as a job.
 * @throws Failure `data-invalid` with the path of the field that is wrong or missing
 */
export function parseTogetherBody(content: unknown, context: SourceContext): ImportedJob {
  const source = openSource(content, context);
  const method = readMethod(source);
  const data = readServiceFiles(source);
  const model = readServiceModel(source);
  carry(source, ['model'], 'targets.model');
  const suffix = readText(source, ['suffix']);
  carry(source, ['suffix'], 'targets.options.suffix');
  if (method === 'sft')
    assume(source, ['(rows)'], { field: 'task', value: 'chat', text: 'Together goes by the rows: for one text a row write "text"' });
  const job = {
    source: 'a create call of Together',
    name: readName(source, ['suffix']),
    task: method === 'dpo' ? ('preference' as const) : ('chat' as const),
    data,
    training: readTrainingFields(source, method),
    target: { name: 'together', provider: 'together', model, ...(suffix === undefined ? {} : { options: { suffix } }) },
  };
  return finishJob(source, job, toTogetherReason);
}

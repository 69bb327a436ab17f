import type { JobSpec, Training } from '../job/job-spec.ts';
import { finishJob } from './finish-job.ts';
import { readModel } from './hub-names.ts';
import { changesTraining, type ImportedJob } from './imported-job.ts';
import { readName } from './read-name.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { openSource, readFlag, readInteger, readNumber, readText, toRefusal, toValue, type Source, type SourceContext } from './source.ts';
import { assumeDefaults, readBatchSize, readLora, readMaxGradNorm, readSchedule, readSeed, readTraining } from './training-fields.ts';
import { readTrlData } from './trl-data.ts';
import { readTrlMethod, type TrlMethod } from './trl-method.ts';
import { toTrlReason } from './trl-reasons.ts';

/** A number of steps can become a share only where the number of all steps is known. */
function readWarmup(source: Source, steps: number | undefined): Training {
  const path = ['warmup_steps'];
  const warmup = readNumber(source, path);
  if (warmup === undefined || warmup === 0) {
    const ratio = readTraining(source, ['warmup_ratio'], 'warmupRatio');
    if (warmup === undefined || ratio.warmupRatio !== undefined) {
      leave(source, path, '0 leaves it to warmup_ratio');
      return ratio;
    }
  }
  if (warmup === undefined || warmup < 0) throw toRefusal(source, path, 'a number of at least 0');
  leave(source, ['warmup_ratio'], 'warmup_steps replaces it');
  if (warmup < 1) {
    convert(source, path, { field: 'training.warmupRatio', text: 'below 1 it is a share of all steps' });
    return { warmupRatio: warmup };
  }
  if (steps === undefined || warmup > steps) {
    leave(source, path, `${changesTraining}: steps are no share as long as the number of all steps is not known: set training.warmupRatio`);
    return {};
  }
  convert(source, path, { field: 'training.warmupRatio', text: `${warmup} of max_steps ${steps}` });
  return { warmupRatio: warmup / steps };
}

/** Epochs, or steps where `max_steps` is set: it wins. */
function readDuration(source: Source): Training {
  const steps = readInteger(source, ['max_steps'], -1);
  if (steps === undefined || steps <= 0) {
    leave(source, ['max_steps'], 'the source goes by epochs');
    return readTraining(source, ['num_train_epochs'], 'epochs');
  }
  leave(source, ['num_train_epochs'], 'max_steps replaces it');
  return readTraining(source, ['max_steps'], 'steps');
}

/** Which tokens count, where the source says it. */
function readLoss(source: Source): Training {
  const flags = [['assistant_only_loss'], ['completion_only_loss']].map((path) => ({ path, value: readFlag(source, path) }));
  if (flags.every(({ value }) => value === undefined)) return {};
  const loss = flags.some(({ value }) => value === true) ? 'answer' : 'all';
  for (const { path } of flags)
    convert(source, path, { field: 'training.loss', text: `tokens of the ${loss === 'all' ? 'whole row' : 'answer'} count` });
  return { loss };
}

function readMaxLength(source: Source): Training {
  const path = ['max_length'];
  if (toValue(source, path) !== undefined || toValue(source, ['max_seq_length']) === undefined) {
    leave(source, ['max_seq_length'], 'max_length replaces it');
    if (toValue(source, path) === null) leave(source, path, `${changesTraining}: null means that no row is cut, which a job cannot say`);
    return readTraining(source, path, 'maxLength');
  }
  return readTraining(source, ['max_seq_length'], 'maxLength'); // its name in older versions
}

function readSelect(source: Source, hasValidation: boolean): Training {
  const path = ['load_best_model_at_end'];
  const isBest = readFlag(source, path);
  if (isBest === undefined) return {};
  if (isBest && !hasValidation) {
    leave(source, path, 'the source names no validation rows to choose by');
    return {};
  }
  convert(source, path, { field: 'training.select', text: isBest ? 'by the validation rows' : 'the weights of the end' });
  return { select: isBest ? 'best' : 'last' };
}

function readTrainingFields(source: Source, method: TrlMethod, data: JobSpec['data']): Training {
  const duration = readDuration(source);
  const training: Training = {
    method,
    ...duration,
    ...readBatchSize(source, {
      rows: ['per_device_train_batch_size'],
      accumulation: ['gradient_accumulation_steps'],
      defaults: { rows: 8, accumulation: 1 },
    }),
    ...readTraining(source, ['learning_rate'], 'learningRate'),
    ...readSchedule(source, ['lr_scheduler_type'], {
      warmups: [['warmup_steps'], ['warmup_ratio']],
      readWarmup: () => readWarmup(source, duration.steps),
    }),
    ...readTraining(source, ['weight_decay'], 'weightDecay'),
    ...readMaxGradNorm(source, ['max_grad_norm']),
    ...(method === 'dpo' ? readTraining(source, ['beta'], 'beta') : {}),
    ...readLora(source, {
      enabled: ['use_peft'],
      rank: ['lora_r'],
      alpha: ['lora_alpha'],
      dropout: ['lora_dropout'],
      targets: ['lora_target_modules'],
      defaultRank: 16,
      defaults: { alpha: 32, dropout: 0.05 },
    }),
    ...(method === 'sft' ? readLoss(source) : {}),
    ...readSelect(source, data.validation !== undefined),
    ...readMaxLength(source),
    ...readSeed(source, ['seed']),
  };
  assumeDefaults(source, training, [
    { field: 'epochs', path: ['num_train_epochs'], value: 3 },
    { field: 'learningRate', path: ['learning_rate'], value: method === 'dpo' ? 1e-6 : 2e-5 },
    { field: 'maxLength', path: ['max_length'], value: 1024 },
    { field: 'warmupRatio', path: ['warmup_steps'], value: 0 },
    { field: 'schedule', path: ['lr_scheduler_type'], value: 'linear' },
    { field: 'weightDecay', path: ['weight_decay'], value: 0 },
    { field: 'maxGradNorm', path: ['max_grad_norm'], value: 1 },
    { field: 'seed', path: ['seed'], value: 42 },
    ...(method === 'dpo' ? [{ field: 'beta' as const, path: ['beta'], value: 0.1 }] : []),
    ...(method === 'sft'
      ? [
          {
            field: 'loss' as const,
            path: ['completion_only_loss'],
            value: null,
            text: 'all tokens of a conversation or a text count; of rows with "prompt" and "completion" the answer only',
          },
        ]
      : []),
  ]);
  return training;
}

/** What a row is, where the flags tell: TRL itself looks at the columns. */
function readTask(source: Source, method: TrlMethod): JobSpec['task'] {
  if (method === 'dpo') return 'preference';
  const isChat = readFlag(source, ['assistant_only_loss']) === true || toValue(source, ['chat_template_path']) !== undefined;
  const isText = !isChat && readText(source, ['dataset_text_field']) !== undefined;
  const text =
    'TRL goes by the columns: "chat" for "messages", "text" for one text a row; rows with "prompt" and "completion" must become messages';
  assume(source, ['(columns)'], { field: 'task', value: isText ? 'text' : 'chat', text });
  return isText ? 'text' : 'chat';
}

/**
 * The content of a file for `trl sft --config` or `trl dpo --config` as a job; `context.method` says which where its flags do not.
 * @throws Failure `data-invalid` with the path of the flag that is wrong or missing
 */
export function parseTrl(content: unknown, context: SourceContext): ImportedJob {
  const source = openSource(content, context);
  const method = readTrlMethod(source);
  const task = readTask(source, method);
  const data = readTrlData(source);
  const column = task === 'text' ? readText(source, ['dataset_text_field']) : undefined;
  if (column !== undefined) carry(source, ['dataset_text_field'], 'data.columns.text');
  const model = readModel(source, ['model_name_or_path'], ['model_revision']);
  const provider = model.startsWith('hub:') ? 'huggingface' : 'local';
  const job = {
    source: `a configuration of trl ${method}`,
    name: readName(source, toValue(source, ['run_name']) === undefined ? ['output_dir'] : ['run_name']),
    task,
    data: column === undefined ? data : { ...data, columns: { text: column } },
    training: readTrainingFields(source, method, data),
    target: { name: provider, provider, model },
  };
  return finishJob(source, job, toTrlReason);
}

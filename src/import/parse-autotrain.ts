import type { JobSpec, Training } from '../job/job-spec.ts';
import { finishJob } from './finish-job.ts';
import { readModel } from './hub-names.ts';
import { type ImportedJob } from './imported-job.ts';
import { toAutotrainReason } from './autotrain-reasons.ts';
import { readAutotrainData } from './autotrain-data.ts';
import { openParameters, type AutotrainTask, type ToPath } from './autotrain-parameters.ts';
import { readName } from './read-name.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { openSource, readFlag, readInteger, readText, toRefusal, toValue, type Source, type SourceContext } from './source.ts';
import { assumeDefaults, readBatchSize, readLora, readMaxGradNorm, readSchedule, readSeed, readTraining } from './training-fields.ts';

const trainers: Readonly<Record<string, AutotrainTask>> = { sft: 'sft', dpo: 'dpo', default: 'generic', generic: 'generic' };

function readTask(source: Source, to: ToPath): AutotrainTask {
  const expected = 'one of text-classification, llm-sft, llm-dpo, llm-generic';
  const hint = 'A job trains classifiers, chats, preferences and texts; for another task write the job by hand.';
  const word = readText(source, ['task'])?.replaceAll(/[_:]/g, '-');
  if (word === undefined) throw toRefusal(source, ['task'], expected, hint);
  if (/^text-((binary|multi-class)-)?classification$/.test(word)) return 'classification';
  if (!/^llm(-\w+)?$/.test(word)) throw toRefusal(source, ['task'], expected, hint);
  const trainer = readText(source, to('trainer'));
  const name = trainer ?? (word === 'llm' ? 'default' : word.slice('llm-'.length));
  if (!Object.hasOwn(trainers, name)) throw toRefusal(source, trainer === undefined ? ['task'] : to('trainer'), expected, hint);
  return trainers[name]!;
}

/** The longest row in tokens. A block of -1 is the tokenizer's length, at most 1024. */
function readMaxLength(source: Source, to: ToPath, task: AutotrainTask): Training {
  if (task === 'classification') return readTraining(source, to('max_seq_length'), 'maxLength');
  const block = Array.isArray(toValue(source, to('block_size'))) ? undefined : readInteger(source, to('block_size'), -1);
  const model = readInteger(source, to('model_max_length'), 1);
  if (block === 0) throw toRefusal(source, to('block_size'), 'a length above 0, or -1');
  const isOpen = block === undefined || block === -1;
  if (isOpen && model === undefined) {
    if (block === -1)
      leave(
        source,
        to('block_size'),
        "changes what is trained: -1 is the model's own length, at most 1024: name a length in training.maxLength",
      );
    else assume(source, to('block_size'), { field: 'training.maxLength', value: -1, text: "the model's own length, at most 1024 tokens" });
    return {};
  }
  const maxLength = Math.min(isOpen ? 1024 : block, model ?? Infinity);
  const text = 'the shorter of block_size (where -1: at most 1024) and model_max_length';
  if (model === undefined) carry(source, to('block_size'), 'training.maxLength');
  else for (const name of ['block_size', 'model_max_length']) convert(source, to(name), { field: 'training.maxLength', text });
  return { maxLength };
}

function readTrainingFields(source: Source, to: ToPath, task: AutotrainTask): Training {
  const isText = task === 'classification';
  const readWarmup = (): Training => readTraining(source, to('warmup_ratio'), 'warmupRatio');
  readInteger(source, to('epochs'), 1);
  const training: Training = {
    ...(isText ? {} : { method: task === 'dpo' ? ('dpo' as const) : ('sft' as const) }),
    ...readTraining(source, to('epochs'), 'epochs'),
    ...readBatchSize(source, {
      rows: to('batch_size'),
      accumulation: to('gradient_accumulation'),
      defaults: isText ? { rows: 8, accumulation: 1 } : { rows: 2, accumulation: 4 },
    }),
    ...readTraining(source, to('lr'), 'learningRate'),
    ...readSchedule(source, to('scheduler'), { warmups: [to('warmup_ratio')], readWarmup }),
    ...readTraining(source, to('weight_decay'), 'weightDecay'),
    ...readMaxGradNorm(source, to('max_grad_norm')),
    ...(task === 'dpo' ? readTraining(source, to('dpo_beta'), 'beta') : {}),
    ...(isText ? {} : readAutotrainLora(source, to)),
    ...readMaxLength(source, to, task),
    ...readSeed(source, to('seed')),
  };
  if (task !== 'dpo') leave(source, to('dpo_beta'), 'of the task llm-dpo only');
  assumeDefaults(source, training, [
    { field: 'epochs', path: to('epochs'), value: isText ? 3 : 1 },
    { field: 'learningRate', path: to('lr'), value: isText ? 5e-5 : 3e-5 },
    { field: 'warmupRatio', path: to('warmup_ratio'), value: 0.1 },
    { field: 'schedule', path: to('scheduler'), value: 'linear' },
    { field: 'weightDecay', path: to('weight_decay'), value: 0 },
    { field: 'maxGradNorm', path: to('max_grad_norm'), value: 1 },
    { field: 'seed', path: to('seed'), value: 42 },
    ...(isText ? [{ field: 'maxLength' as const, path: to('max_seq_length'), value: 128 }] : []),
    ...(task === 'dpo' ? [{ field: 'beta' as const, path: to('dpo_beta'), value: 0.1 }] : []),
    ...(task === 'sft'
      ? [{ field: 'loss' as const, path: ['(loss)'], value: 'all', text: 'all tokens count, of rows packed into blocks' }]
      : []),
  ]);
  return training;
}

function readAutotrainLora(source: Source, to: ToPath): Training {
  if (readFlag(source, to('peft')) === true && toValue(source, to('quantization')) === undefined) {
    const text = 'AutoTrain quantizes the weights while it trains an adapter; a job cannot ask for it';
    assume(source, to('quantization'), { field: null, value: 'int4', text });
  }
  return readLora(source, {
    enabled: to('peft'),
    rank: to('lora_r'),
    alpha: to('lora_alpha'),
    dropout: to('lora_dropout'),
    targets: to('target_modules'),
    defaultRank: 16,
    defaults: { alpha: 32, dropout: 0.05 },
  });
}

function readTarget(source: Source, to: ToPath): ImportedJob['target'] {
  const model = readModel(source, to('model'));
  const backend = readText(source, ['backend']);
  const flavor = backend?.startsWith('spaces-') === true ? backend.slice('spaces-'.length) : undefined;
  if (flavor !== undefined) convert(source, ['backend'], { field: 'targets.options.flavor', text: 'the machine' });
  const provider = flavor === undefined && !model.startsWith('hub:') ? 'local' : 'huggingface';
  return { name: provider, provider, model, ...(flavor === undefined ? {} : { options: { flavor } }) };
}

const tasks: Readonly<Record<AutotrainTask, (isChat: boolean) => JobSpec['task']>> = {
  classification: () => 'classification',
  sft: (isChat) => (isChat ? 'chat' : 'text'),
  generic: () => 'text',
  dpo: () => 'preference',
};

/**
 * The content of `autotrain --config` as a job.
 * @throws Failure `data-invalid` with the path of the field that is wrong or missing, or of a task that no job has
 */
export function parseAutotrain(content: unknown, context: SourceContext): ImportedJob {
  const source = openSource(content, context);
  const to = openParameters(source);
  const kind = readTask(source, to);
  const template = readText(source, to('chat_template'));
  const task = tasks[kind](template !== undefined && template.toLowerCase() !== 'none');
  convert(source, ['task'], { field: kind === 'dpo' ? 'training.method' : 'task', text: `trains the task "${task}"` });
  if (toValue(source, ['params', 'trainer']) !== undefined)
    convert(source, ['params', 'trainer'], { field: 'task', text: 'replaces the trainer that the task names' });
  const name = readName(source, to('project_name'));
  const training = readTrainingFields(source, to, kind);
  const data = readAutotrainData(source, to, { kind, task });
  const target = readTarget(source, to);
  return finishJob(source, { source: 'an AutoTrain configuration', name, task, data, training, target }, toAutotrainReason);
}

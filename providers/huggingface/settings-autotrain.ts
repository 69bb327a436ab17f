import { sent, unsupported } from '../../src/provider-kit/map-training.ts';
import names from './names-autotrain.json' with { type: 'json' };
import type { Parameters } from './request.ts';
import {
  getBatchSize,
  mapAs,
  mapBatchSize,
  mapBeta,
  mapLearningRate,
  mapLora,
  mapMaxLength,
  splitNames,
  type EngineContext,
  type EngineSettings,
} from './settings.ts';

const batch = { perDevice: 'batch_size', accumulation: 'gradient_accumulation' } as const;

/** Settings that classifiers and language models share, as AutoTrain's classes have them. */
function getShared({ machine }: EngineContext): Parameters {
  return {
    gradient_accumulation: 1,
    warmup_ratio: 0.1,
    optimizer: 'adamw_torch',
    scheduler: 'linear',
    weight_decay: 0,
    max_grad_norm: 1,
    seed: 42,
    logging_steps: -1,
    auto_find_batch_size: false,
    mixed_precision: machine.isCpu ? null : machine.hasBf16 ? 'bf16' : 'fp16',
    save_total_limit: 1,
    eval_strategy: 'epoch',
    push_to_hub: false,
  };
}

const shared = {
  method: mapAs(),
  epochs: (value) => (Number.isInteger(value) ? sent({ epochs: value }) : unsupported('AutoTrain takes whole epochs only')),
  steps: () => unsupported('AutoTrain counts epochs, not steps'),
  batchSize: mapBatchSize(batch, 32),
  learningRate: mapLearningRate('lr'),
  schedule: (value) =>
    value === 'constant' ? unsupported('its "constant" has no warm-up, which "constant" here begins with') : sent({ scheduler: value }),
  warmupRatio: mapAs('warmup_ratio'),
  weightDecay: mapAs('weight_decay'),
  maxGradNorm: mapAs('max_grad_norm'),
  seed: mapAs('seed'),
} as const satisfies Partial<EngineSettings['map']>;

const sharedDefaults = {
  method: (_parameters, { task }) => (task === 'dpo' ? 'dpo' : 'sft'),
  epochs: ({ epochs }) => epochs,
  steps: () => null,
  batchSize: getBatchSize(batch),
  learningRate: ({ lr }) => lr,
  schedule: ({ scheduler }) => scheduler,
  warmupRatio: ({ warmup_ratio: ratio }) => ratio,
  weightDecay: ({ weight_decay: decay }) => decay,
  maxGradNorm: ({ max_grad_norm: norm }) => norm,
  beta: ({ dpo_beta: beta }, { task }) => (task === 'dpo' ? beta : null),
  adapter: () => ({ type: 'full' }),
  seed: ({ seed }) => seed,
} as const satisfies Partial<EngineSettings['defaulted']>;

/** What the program in the container decides, or the job has words for. */
const owned =
  splitNames(`data_path model project_name train_split valid_split token push_to_hub username log text_column lr epochs batch_size
  gradient_accumulation warmup_ratio scheduler weight_decay max_grad_norm seed early_stopping_patience early_stopping_threshold`);

/** `text-classification` (TextClassificationParams). */
export const autotrainLabels: EngineSettings = {
  getDefaults: (context) => ({
    ...getShared(context),
    lr: 5e-5,
    epochs: 3,
    batch_size: 8,
    max_seq_length: 128,
    // No training ends before its last epoch, unless the job asks for it.
    early_stopping_patience: Math.max(5, context.epochs ?? 0),
    early_stopping_threshold: 0.01,
  }),
  has: (name) => names.labels.includes(name),
  owned: new Set([...owned, 'target_column', 'max_seq_length']),
  map: {
    ...shared,
    beta: mapBeta('dpo_beta'),
    adapter: (value) => (value.type === 'full' ? sent() : unsupported('AutoTrain trains all parameters of a classifier')),
    loss: (value) => (value === 'answer' ? sent() : unsupported('a classifier learns labels, not texts')),
    earlyStopping({ patience, minDelta = 0, by }) {
      if (by === 'measure') return unsupported('AutoTrain compares the validation loss');
      return sent({ early_stopping_patience: patience, early_stopping_threshold: minDelta });
    },
    select: (value) =>
      value === 'best' ? sent() : unsupported('AutoTrain keeps the weights of the epoch with the lowest validation loss'),
    maxLength: mapMaxLength('max_seq_length'),
  },
  defaulted: {
    ...sharedDefaults,
    loss: () => 'answer',
    select: () => 'best',
    maxLength: ({ max_seq_length: length }) => length,
  },
};

/** `llm-sft` and `llm-dpo` (LLMTrainingParams). */
export const autotrainChats: EngineSettings = {
  getDefaults: (context) => ({
    ...getShared(context),
    lr: 3e-5,
    epochs: 1,
    batch_size: 2,
    gradient_accumulation: 4,
    block_size: 1024,
    model_max_length: 2048,
    padding: 'right',
    add_eos_token: true,
    use_flash_attention_2: false,
    disable_gradient_checkpointing: false,
    unsloth: false,
    distributed_backend: null,
    chat_template: 'tokenizer',
    // The class would quantize to four bits, which needs a GPU and trains another model than was asked for.
    quantization: null,
    target_modules: 'all-linear',
    merge_adapter: false,
    peft: false,
    lora_r: 16,
    lora_alpha: 32,
    lora_dropout: 0.05,
    model_ref: null,
    dpo_beta: 0.1,
    max_prompt_length: 128,
    max_completion_length: null,
  }),
  has: (name) => names.chats.includes(name),
  owned: new Set([
    ...owned,
    ...splitNames(`trainer prompt_text_column rejected_text_column block_size model_max_length peft lora_r lora_alpha lora_dropout
      target_modules dpo_beta`),
  ]),
  map: {
    ...shared,
    beta: mapBeta('dpo_beta'),
    adapter: mapLora({
      engine: 'AutoTrain',
      isOn: 'peft',
      targets: 'target_modules',
      toTargets: (names) => names.join(','),
      rankStabilized: null,
    }),
    loss: (value, { task }) =>
      (value === 'answer') === (task === 'dpo')
        ? sent()
        : unsupported(task === 'dpo' ? 'the method "dpo" compares answers' : 'AutoTrain learns all tokens of a conversation'),
    earlyStopping: () => unsupported('AutoTrain evaluates no language model while it trains'),
    select: (value) => (value === 'last' ? sent() : unsupported('AutoTrain evaluates no language model while it trains')),
    maxLength: mapMaxLength('block_size', 'model_max_length'),
  },
  defaulted: {
    ...sharedDefaults,
    loss: (_parameters, { task }) => (task === 'dpo' ? null : 'all'),
    select: () => 'last',
    maxLength: ({ block_size: length }) => length,
  },
};

import {
  sent,
  takeBatchSize,
  takeLearningRate,
  takeMaxLength,
  takeMethod,
  toBatchSize,
  unsupported,
  type EngineSettings,
} from './engine-settings.ts';

const batch = { perDevice: 'per_device_train_batch_size', accumulation: 'gradient_accumulation_steps' } as const;
const schedules = { linear: 'linear', cosine: 'cosine', constant: 'constant_with_warmup' } as const;

const owned =
  `per_device_train_batch_size gradient_accumulation_steps num_train_epochs max_steps learning_rate lr_scheduler_type warmup_ratio
    weight_decay max_grad_norm seed max_length adapter lora_r lora_alpha lora_dropout lora_targets load_best_model_at_end`.split(/\s+/);
const others = [
  'optim',
  'adam_beta1',
  'adam_beta2',
  'adam_epsilon',
  'label_smoothing_factor',
  'bf16',
  'fp16',
  'logging_steps',
  'gradient_checkpointing',
];

/** Our own script for classifiers (`container/classifier.ts`), which hands most of this to transformers' `TrainingArguments`. */
export const transformersSettings: EngineSettings = {
  toDefaults: ({ machine }) => ({
    per_device_train_batch_size: 8,
    gradient_accumulation_steps: 1,
    num_train_epochs: 3,
    max_steps: -1,
    learning_rate: 5e-5,
    lr_scheduler_type: 'linear',
    warmup_ratio: 0.1,
    optim: 'adamw_torch',
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    weight_decay: 0,
    max_grad_norm: 1,
    label_smoothing_factor: 0,
    max_length: 128,
    seed: 42,
    gradient_checkpointing: false,
    bf16: machine.hasBf16,
    fp16: !machine.isCpu && !machine.hasBf16,
    logging_steps: 10,
    load_best_model_at_end: false,
    adapter: 'full',
    lora_r: 16,
    lora_alpha: 32,
    lora_dropout: 0.05,
    lora_targets: null,
  }),
  has: (name) => owned.includes(name) || others.includes(name),
  owned: new Set(owned),
  take: {
    method: takeMethod,
    epochs: (value) => sent({ num_train_epochs: value }),
    steps: (value) => sent({ max_steps: value }),
    batchSize: takeBatchSize(batch, 32),
    learningRate: takeLearningRate('learning_rate'),
    schedule: (value) => sent({ lr_scheduler_type: schedules[value] }),
    warmupRatio: (value) => sent({ warmup_ratio: value }),
    weightDecay: (value) => sent({ weight_decay: value }),
    maxGradNorm: (value) => sent({ max_grad_norm: value }),
    beta: () => unsupported('"beta" belongs to the method "dpo"'),
    adapter: (value) =>
      value.type === 'lora'
        ? sent({
            adapter: 'lora',
            lora_r: value.rank,
            ...(value.alpha === undefined ? {} : { lora_alpha: value.alpha }),
            ...(value.dropout === undefined ? {} : { lora_dropout: value.dropout }),
            ...(value.targets === undefined ? {} : { lora_targets: value.targets }),
          })
        : sent({ adapter: value.type }),
    loss: (value) => (value === 'answer' ? sent() : unsupported('a classifier learns labels, not texts')),
    select(value, { hasValidation }) {
      if (value === 'last') return sent({ load_best_model_at_end: false });
      return hasValidation
        ? sent({ load_best_model_at_end: true })
        : unsupported('the best weights are found with validation rows, and there are none');
    },
    maxLength: takeMaxLength('max_length'),
    seed: (value) => sent({ seed: value }),
  },
  defaulted: {
    method: () => 'sft',
    epochs: ({ num_train_epochs: epochs, max_steps: steps }) => (steps === -1 ? epochs : null),
    steps: () => null,
    batchSize: (parameters, { machine }) => toBatchSize(parameters, batch, machine.devices),
    learningRate: ({ learning_rate: rate }) => rate,
    schedule: () => 'linear',
    warmupRatio: ({ warmup_ratio: ratio }) => ratio,
    weightDecay: ({ weight_decay: decay }) => decay,
    maxGradNorm: ({ max_grad_norm: norm }) => norm,
    beta: () => null,
    adapter: () => ({ type: 'full' }),
    loss: () => 'answer',
    select: () => 'last',
    maxLength: ({ max_length: length }) => length,
    seed: ({ seed }) => seed,
  },
};

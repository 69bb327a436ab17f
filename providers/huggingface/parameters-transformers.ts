import { sent, unsupported, type EngineSettings } from './engine-settings.ts';
import { mapTrainerBatchSize, trainerDefaulted, trainerTake } from './parameters-trainer.ts';

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
  map: {
    ...trainerTake,
    batchSize: mapTrainerBatchSize(32),
    warmupRatio: (value) => sent({ warmup_ratio: value }),
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
  },
  defaulted: {
    ...trainerDefaulted,
    method: () => 'sft',
    warmupRatio: ({ warmup_ratio: ratio }) => ratio,
    beta: () => null,
    loss: () => 'answer',
  },
};

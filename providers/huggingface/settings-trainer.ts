import { sent, unsupported } from '../../src/provider-kit/map-training.ts';
import names from './names-trl.json' with { type: 'json' };
import type { Parameters } from './request.ts';
import {
  getBatchSize,
  getLoraSizes,
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

/* Engines whose settings are those of transformers' `TrainingArguments`: TRL, and our own script for classifiers. */

const batch = { perDevice: 'per_device_train_batch_size', accumulation: 'gradient_accumulation_steps' } as const;
const schedules = { linear: 'linear', cosine: 'cosine', constant: 'constant_with_warmup' } as const;
const trainerOwned =
  splitNames(`per_device_train_batch_size gradient_accumulation_steps num_train_epochs max_steps learning_rate lr_scheduler_type
  warmup_ratio weight_decay max_grad_norm seed max_length lora_r lora_alpha lora_dropout load_best_model_at_end`);

function getShared({ machine }: EngineContext): Parameters {
  return {
    per_device_train_batch_size: 8,
    gradient_accumulation_steps: 1,
    num_train_epochs: 3,
    max_steps: -1,
    lr_scheduler_type: 'linear',
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    weight_decay: 0,
    max_grad_norm: 1,
    label_smoothing_factor: 0,
    seed: 42,
    // By the machine: the default of bf16 is an error on GPUs that do not have it.
    bf16: machine.hasBf16,
    fp16: !machine.isCpu && !machine.hasBf16,
    lora_r: 16,
    lora_alpha: 32,
    lora_dropout: 0.05,
    logging_steps: 10,
    load_best_model_at_end: false,
  };
}

const shared = {
  method: mapAs(),
  epochs: mapAs('num_train_epochs'),
  steps: mapAs('max_steps'),
  learningRate: mapLearningRate('learning_rate'),
  schedule: (value) => sent({ lr_scheduler_type: schedules[value] }),
  weightDecay: mapAs('weight_decay'),
  maxGradNorm: mapAs('max_grad_norm'),
  maxLength: mapMaxLength('max_length'),
  seed: mapAs('seed'),
} as const satisfies Partial<EngineSettings['map']>;

const sharedDefaults = {
  epochs: ({ num_train_epochs: epochs, max_steps: steps }) => (steps === -1 ? epochs : null),
  steps: () => null,
  batchSize: getBatchSize(batch),
  learningRate: ({ learning_rate: rate }) => rate,
  schedule: () => 'linear',
  weightDecay: ({ weight_decay: decay }) => decay,
  maxGradNorm: ({ max_grad_norm: norm }) => norm,
  adapter: () => ({ type: 'full' }),
  select: ({ load_best_model_at_end: isBest }) => (isBest === true ? 'best' : 'last'),
  maxLength: ({ max_length: length }) => length,
  seed: ({ seed }) => seed,
} as const satisfies Partial<EngineSettings['defaulted']>;

/** The defaults of `trl sft` and `trl dpo` 1.16.0 that decide what is learned, and what differs from them on purpose. */
function getTrlDefaults(context: EngineContext): Parameters {
  const { task, machine, hasValidation } = context;
  return {
    ...getShared(context),
    per_device_eval_batch_size: 8,
    learning_rate: task === 'dpo' ? 1e-6 : 2e-5,
    warmup_steps: 0,
    optim: 'adamw_torch_fused',
    max_length: 1024,
    truncation_mode: 'keep_start',
    gradient_checkpointing: true,
    auto_find_batch_size: false,
    dtype: 'float32',
    use_cpu: machine.isCpu,
    use_peft: false,
    lora_target_modules: null,
    lora_task_type: 'CAUSAL_LM',
    use_rslora: false,
    load_in_4bit: false,
    load_in_8bit: false,
    trust_remote_code: false,
    eval_strategy: hasValidation ? 'epoch' : 'no',
    save_strategy: 'no',
    save_total_limit: 1,
    logging_strategy: 'steps',
    logging_first_step: true,
    report_to: 'none',
    push_to_hub: false,
    ...(task === 'dpo'
      ? { beta: 0.1, loss_type: ['sigmoid'], label_smoothing: 0, precompute_ref_log_probs: false }
      : { loss_type: 'nll', packing: false, padding_free: false, assistant_only_loss: false, completion_only_loss: null }),
  };
}

const noValidation = 'the best weights are found with validation rows, and there are none';

export const trlSettings: EngineSettings = {
  getDefaults: getTrlDefaults,
  has: (name, task) => (task === 'dpo' ? names.dpo : names.sft).includes(name),
  owned: new Set([
    ...trainerOwned,
    ...splitNames(`model_name_or_path model_revision dataset_name dataset_config dataset_train_split dataset_test_split datasets output_dir
      warmup_steps use_peft use_rslora lora_target_modules beta assistant_only_loss completion_only_loss push_to_hub hub_model_id hub_token config
      report_to`),
  ]),
  map: {
    ...shared,
    batchSize: mapBatchSize(batch, 8),
    // Below 1 it is a share of the steps, from 1 on a number of them.
    warmupRatio: (value) => (value < 1 ? sent({ warmup_steps: value }) : unsupported('the engine takes a share below 1')),
    beta: mapBeta('beta'),
    adapter: mapLora({
      engine: 'TRL',
      isOn: 'use_peft',
      targets: 'lora_target_modules',
      toTargets: (names) => names,
      rankStabilized: 'use_rslora',
    }),
    loss(value, { task }) {
      if (task === 'dpo') return value === 'answer' ? sent() : unsupported('the method "dpo" compares answers');
      if (value === 'all') return sent({ completion_only_loss: false });
      const why = 'the engine learns the last answer of a conversation; the messages before it are its prompt';
      return { type: 'converted', parameters: { completion_only_loss: true }, value: 'completion_only_loss', why };
    },
    earlyStopping: () => unsupported('the commands of TRL train to the last step'),
    select(value, { hasValidation }) {
      if (value === 'last') return sent({ load_best_model_at_end: false });
      if (!hasValidation) return unsupported(noValidation);
      return sent({ load_best_model_at_end: true, metric_for_best_model: 'eval_loss', greater_is_better: false, save_strategy: 'epoch' });
    },
  },
  defaulted: {
    ...sharedDefaults,
    method: (_parameters, { task }) => task,
    warmupRatio: ({ warmup_steps: ratio }) => ratio,
    beta: ({ beta }) => beta ?? null,
    loss: (_parameters, { task }) => (task === 'dpo' ? null : 'completion_only_loss'),
  },
};

const classifierOwned = [
  ...trainerOwned,
  ...splitNames('adapter lora_targets early_stopping_patience early_stopping_threshold metric_for_best_model greater_is_better'),
];
const classifierOthers = splitNames(
  `optim adam_beta1 adam_beta2 adam_epsilon label_smoothing_factor bf16 fp16 logging_steps gradient_checkpointing`,
);

/** Our own script for classifiers (`container/classifier.py`), which hands most of this to transformers. */
export const transformersSettings: EngineSettings = {
  getDefaults: (context) => ({
    ...getShared(context),
    learning_rate: 5e-5,
    warmup_ratio: 0.1,
    optim: 'adamw_torch',
    max_length: 128,
    gradient_checkpointing: false,
    adapter: 'full',
    lora_targets: null,
  }),
  has: (name) => classifierOwned.includes(name) || classifierOthers.includes(name),
  owned: new Set(classifierOwned),
  map: {
    ...shared,
    batchSize: mapBatchSize(batch, 32),
    warmupRatio: mapAs('warmup_ratio'),
    beta: () => unsupported('"beta" belongs to the method "dpo"'),
    adapter(value) {
      if (value.type !== 'lora') return sent({ adapter: value.type });
      if (value.rankStabilized === true) return unsupported('the trainer of a classifier multiplies with alpha / rank only');
      return sent({ adapter: 'lora', ...getLoraSizes(value), ...(value.targets === undefined ? {} : { lora_targets: value.targets }) });
    },
    loss: (value) => (value === 'answer' ? sent() : unsupported('a classifier learns labels, not texts')),
    earlyStopping({ patience, minDelta = 0, by = 'loss' }, { hasValidation }) {
      if (!hasValidation) return unsupported(noValidation);
      const measure = by === 'loss' ? 'eval_loss' : 'eval_accuracy';
      const best = { load_best_model_at_end: true, metric_for_best_model: measure, greater_is_better: by === 'measure' };
      return sent({ early_stopping_patience: patience, early_stopping_threshold: minDelta, ...best });
    },
    select(value, { hasValidation, stopsEarly }) {
      if (value === 'last' && stopsEarly) return unsupported('with early stopping the engine keeps the best weights');
      return value === 'last' || hasValidation ? sent({ load_best_model_at_end: value === 'best' }) : unsupported(noValidation);
    },
  },
  defaulted: {
    ...sharedDefaults,
    method: () => 'sft',
    warmupRatio: ({ warmup_ratio: ratio }) => ratio,
    beta: () => null,
    loss: () => 'answer',
  },
};

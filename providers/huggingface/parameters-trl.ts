import { sent, mapLora, unsupported, type EngineContext, type EngineSettings } from './engine-settings.ts';
import names from './names-trl.json' with { type: 'json' };
import { mapTrainerBatchSize, trainerDefaulted, trainerTake } from './parameters-trainer.ts';
import type { Parameters } from './request.ts';

/** The defaults of `trl sft` and `trl dpo` 1.16.0 that decide what is learned, and what differs from them on purpose. */
function toDefaults({ task, machine, hasValidation }: EngineContext): Parameters {
  return {
    per_device_train_batch_size: 8,
    per_device_eval_batch_size: 8,
    gradient_accumulation_steps: 1,
    num_train_epochs: 3,
    max_steps: -1,
    learning_rate: task === 'dpo' ? 1e-6 : 2e-5,
    lr_scheduler_type: 'linear',
    warmup_steps: 0,
    optim: 'adamw_torch_fused',
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    weight_decay: 0,
    max_grad_norm: 1,
    label_smoothing_factor: 0,
    max_length: 1024,
    truncation_mode: 'keep_start',
    seed: 42,
    gradient_checkpointing: true,
    auto_find_batch_size: false,
    dtype: 'float32',
    // By the machine: the default of bf16 is an error on GPUs that do not have it.
    bf16: machine.hasBf16,
    fp16: !machine.isCpu && !machine.hasBf16,
    use_cpu: machine.isCpu,
    use_peft: false,
    lora_r: 16,
    lora_alpha: 32,
    lora_dropout: 0.05,
    lora_target_modules: null,
    lora_task_type: 'CAUSAL_LM',
    use_rslora: false,
    load_in_4bit: false,
    load_in_8bit: false,
    trust_remote_code: false,
    eval_strategy: hasValidation ? 'epoch' : 'no',
    save_strategy: 'no',
    save_total_limit: 1,
    load_best_model_at_end: false,
    logging_strategy: 'steps',
    logging_steps: 10,
    logging_first_step: true,
    report_to: 'none',
    push_to_hub: false,
    ...(task === 'dpo'
      ? { beta: 0.1, loss_type: ['sigmoid'], label_smoothing: 0, precompute_ref_log_probs: false }
      : { loss_type: 'nll', packing: false, padding_free: false, assistant_only_loss: false, completion_only_loss: null }),
  };
}

export const trlSettings: EngineSettings = {
  toDefaults,
  has: (name, task) => (task === 'dpo' ? names.dpo : names.sft).includes(name),
  owned: new Set(
    `model_name_or_path model_revision dataset_name dataset_config dataset_train_split dataset_test_split datasets output_dir
      per_device_train_batch_size gradient_accumulation_steps num_train_epochs max_steps learning_rate lr_scheduler_type warmup_steps
      warmup_ratio weight_decay max_grad_norm max_length seed use_peft lora_r lora_alpha lora_dropout lora_target_modules beta
      assistant_only_loss completion_only_loss load_best_model_at_end push_to_hub hub_model_id hub_token config report_to`.split(/\s+/),
  ),
  map: {
    ...trainerTake,
    batchSize: mapTrainerBatchSize(8),
    // Below 1 it is a share of the steps, from 1 on a number of them.
    warmupRatio: (value) => (value < 1 ? sent({ warmup_steps: value }) : unsupported('the engine takes a share below 1')),
    beta: (value, { task }) => (task === 'dpo' ? sent({ beta: value }) : unsupported('"beta" belongs to the method "dpo"')),
    adapter: mapLora({ engine: 'TRL', isOn: 'use_peft', targets: 'lora_target_modules', toTargets: (names) => names }),
    loss(value, { task }) {
      if (task === 'dpo') return value === 'answer' ? sent() : unsupported('the method "dpo" compares answers');
      if (value === 'all') return sent({ completion_only_loss: false });
      const why = 'the engine learns the last answer of a conversation; what stands before it is its prompt';
      return { type: 'converted', parameters: { completion_only_loss: true }, value: 'completion_only_loss', why };
    },
    select(value, { hasValidation }) {
      if (value === 'last') return sent({ load_best_model_at_end: false });
      if (!hasValidation) return unsupported('the best weights are found with validation rows, and there are none');
      return sent({ load_best_model_at_end: true, metric_for_best_model: 'eval_loss', greater_is_better: false, save_strategy: 'epoch' });
    },
  },
  defaulted: {
    ...trainerDefaulted,
    method: (_parameters, { task }) => task,
    warmupRatio: ({ warmup_steps: ratio }) => ratio,
    beta: ({ beta }) => beta ?? null,
    loss: (_parameters, { task }) => (task === 'dpo' ? null : 'completion_only_loss'),
  },
};

/** The beginning of an `unmatched` note's text where the training itself is different without the field. */
export const changesTraining = 'changes what is trained';

/**
 * Settings of all formats that have no equal in a job: why, and their keys. A `*` at the end of a key stands for any ending. The programs
 * give different keys to their settings, or the same key to the same one, so that one table serves all.
 */
type KeyTable = Readonly<Record<string, string>>;

/** Settings without which the training is a different one. */
const changing: KeyTable = {
  'the weights are quantized while they are trained, which a job cannot ask for':
    'quantization load_in_8bit load_in_4bit bnb_* use_bnb_nested_quant',
  'fewer rows per step may be used than configured; a job uses what it says': 'auto_find_batch_size',
  'the optimizer; a job cannot choose it, and targets use AdamW where they choose': 'optimizer optim optim_* adam_*',
  "settings of the learning rate's course": 'lr_scheduler_kwargs lr_scheduler_args',
  'when it may end early; a job waits for as many validations as its patience': 'early_stopping_*',
  'the training continues another one; a job starts with its model': 'resume_from_checkpoint from_checkpoint',
  "weights of the Hub; elsewhere name them as the target's model": 'from_hf_model hf_model_revision',
  'another reference model; a job uses the model itself': 'model_ref',
  'another kind of adapter': 'use_dora lora_target_parameters lora_modules_to_save lora_task_type',
  'prompts and answers are cut apart; a job has maxLength for the whole row': 'max_prompt_length max_completion_length',
  'an end token after each text': 'add_eos_token',
  'the order or the shape of the rows':
    'packing packing_strategy shuffle_dataset train_sampling_strategy data_seed truncation_mode dataset_kwargs dataset_text_field test_split_size',
  'another loss':
    'loss_type loss_weights ld_alpha f_divergence_type f_alpha_divergence_coef label_smoothing* use_weighting discopop_tau sync_ref_model ref_model_* router_aux_loss_coef neftune_noise_alpha disable_dropout dpo_normalize_logratios_by_length dpo_reference_free rpo_alpha simpo_gamma',
  'the part of the model that sees images; a job trains on text': 'multimodal_params',
};

const other: KeyTable = {
  'a credential, which is not taken over': 'token hub_token hf_api_token wandb_api_key',
  "the account, which the target's credentials decide": 'username',
  'where and whether the model is uploaded; the target decides': 'push_to_hub hub_* hf_output_repo_name',
  'where the program runs; choose that with the target': 'backend',
  'about logging only':
    'log logging_* log_* report_to run_name project trackio_* wandb_* disable_tqdm include_num_input_tokens_seen skip_memory_metrics debug',
  'about saving checkpoints only':
    'save_* n_checkpoints enable_jit_checkpoint output_dir overwrite_output_dir ignore_data_skip restore_callback_states_from_checkpoint merge_adapter',
  'about evaluation during the training; the target decides':
    'eval_* n_evals per_device_eval_batch_size prediction_loss_only include_for_metrics batch_eval_metrics metric_for_best_model greater_is_better label_names bf16_full_eval fp16_full_eval',
  'how the training is computed, not what is trained':
    'activation_* gradient_checkpointing* disable_gradient_checkpointing torch_compile* torch_empty_cache_steps use_liger_kernel liger_kernel_config use_flash_attention_2 unsloth distributed_backend use_cache dataloader_* ddp_* fsdp* deepspeed accelerator_config parallelism_config local_rank use_cpu full_determinism attn_implementation dataset_num_proc dataset_streaming streaming precompute_ref_* do_train do_eval do_predict remove_unused_columns average_tokens_across_devices padding padding_free pad_to_multiple_of length_column_name ignore_bias_buffers',
  'the precision of the computation, which a job leaves to the target': 'mixed_precision bf16 fp16 tf32 dtype torch_dtype',
  'how a chat becomes tokens; the target uses the template of its model': 'chat_template chat_template_path eos_token pad_token',
  'it may run code of the model, which a job never does': 'trust_remote_code',
  'settings for loading the model': 'model_init_kwargs',
  'a column that this task does not read': 'prompt_text_column rejected_text_column target_column',
  'a part of a dataset that a job cannot name': 'datasets data_dir columns',
  'not used with the task and the other settings':
    'max_seq_length block_size model_max_length trainer peft use_peft use_rslora lora_r lora_alpha lora_dropout target_modules lora_target_modules lora_trainable_modules dpo_beta beta train_on_inputs max_steps num_train_epochs warmup_steps warmup_ratio dataset_name dataset_config dataset_train_split dataset_test_split hyperparameters',
};

/** Values with which the training is the same in a job. */
const usual: Readonly<Record<string, readonly unknown[]>> = {
  loss_type: ['nll', 'chunked_nll', 'sigmoid'],
  optim: ['adamw_torch', 'adamw_torch_fused'],
  optimizer: ['adamw_torch', 'adamw'],
};

/** Settings of which `false` changes something: they are on where a file does not name them. */
const onByDefault = 'disable_dropout average_tokens_across_devices add_eos_token';

/** Whether a list of keys, with spaces between them, has this one. */
export function isListed(keys: string, key: string): boolean {
  return keys.split(' ').some((listed) => (listed.endsWith('*') ? key.startsWith(listed.slice(0, -1)) : key === listed));
}

/** Why a setting has no equal in a job. */
export function explainUnmatched(name: string, value: unknown): string {
  const find = (table: KeyTable): string | undefined => Object.keys(table).find((text) => isListed(table[text]!, name));
  const change = find(changing);
  const reason = change === undefined ? find(other) : `${changesTraining}: ${change}`;
  if (reason === undefined) return 'an unknown setting';
  if ((value === false && !isListed(onByDefault, name)) || value === 'none') return 'switched off: there is nothing to take over';
  const isUsual = Object.hasOwn(usual, name) && [value].flat().every((item) => usual[name]!.includes(item));
  return isUsual ? 'the usual choice, which targets make too' : reason;
}

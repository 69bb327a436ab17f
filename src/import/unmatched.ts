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
    'quantization quantization_* double_quantization load_in_8bit load_in_4bit bnb_* use_bnb_nested_quant gptq qat fp8*',
  'fewer rows per step may be used than configured; a job uses what it says': 'auto_find_batch_size',
  'the optimizer; a job cannot choose it, and targets use AdamW where they choose':
    'optimizer optim optim_* adam_* optim_args use_galore galore_* use_apollo apollo_* use_badam badam_* use_adam_mini use_muon loraplus_* embedding_lr* lr_groups',
  "settings of the learning rate's course":
    'lr_scheduler_kwargs lr_scheduler_args cosine_min_lr_ratio cosine_constant_lr_ratio lr_quadratic_warmup',
  'when it may end early; a job waits for as many validations as its patience': 'early_stopping_*',
  'the training continues another one; a job starts with its model':
    'resume_from_checkpoint auto_resume_from_checkpoints from_checkpoint adapter_name_or_path lora_model_dir create_new_adapter reset_optimizer',
  "weights of the Hub; elsewhere name them as the target's model": 'from_hf_model hf_model_revision',
  'another reference model; a job uses the model itself': 'model_ref ref_model ref_model_*',
  'another kind of adapter':
    'use_dora pissa_* oft_* peft_* lora_on_cpu lora_fan_in_fan_out lora_layers_* lora_bias additional_target module_dropout freeze_* unfrozen_parameters use_llama_pro relora* lora_target_parameters lora_modules_to_save lora_task_type',
  'prompts and answers are cut apart; a job has maxLength for the whole row':
    'max_prompt_length max_completion_length excess_length_strategy',
  'an end token after each text': 'add_eos_token',
  'only a part of the rows, or each of them several times':
    'max_samples interleave_probs mix_strategy shards shards_idx repeats dataset_exact_deduplication',
  'which answers and tokens of a row count': 'mask_history roles_to_train train_on_eos train_on_eot message_field_training* train_on_split',
  'the order or the shape of the rows':
    'neat_packing sample_packing* shuffle_merged_datasets shuffle_before_merging_datasets curriculum_sampling group_by_length packing packing_strategy shuffle_dataset train_sampling_strategy data_seed truncation_mode dataset_kwargs dataset_text_field test_split_size',
  'another loss':
    'pref_loss pref_ftx pref_label_smoothing dpo_label_smoothing dpo_use_weighting dpo_use_logits_to_keep kto_* orpo_alpha cpo_alpha simpo_gamma rl_alpha use_dft_loss use_eaft_loss noisy_embedding_alpha z_loss* loss_type loss_weights ld_alpha f_divergence_type f_alpha_divergence_coef label_smoothing* use_weighting discopop_tau sync_ref_model ref_model_* router_aux_loss_coef neftune_noise_alpha disable_dropout dpo_normalize_logratios_by_length dpo_reference_free rpo_alpha simpo_gamma',
  'the part of the model that sees images; a job trains on text':
    'freeze_vision_tower freeze_multi_modal_projector freeze_language_model train_mm_proj_only image_* video_* media_dir multimodal_params',
};

const other: KeyTable = {
  'a credential, which is not taken over': 'token hub_token hf_api_token wandb_api_key',
  "the account, which the target's credentials decide": 'username',
  'where and whether the model is uploaded; the target decides': 'push_to_hub hub_* hf_output_repo_name',
  'where the program runs; choose that with the target': 'backend',
  'about logging only':
    'log logging_* log_* report_to run_name project plot_loss use_swanlab swanlab_* mlflow_* comet_* use_tensorboard use_wandb use_comet use_mlflow loss_watchdog_* profiler_* trackio_* wandb_* disable_tqdm include_num_input_tokens_seen skip_memory_metrics debug',
  'about saving checkpoints only':
    'save_* saves_per_epoch saves_* n_checkpoints enable_jit_checkpoint output_dir overwrite_output_dir ignore_data_skip restore_callback_states_from_checkpoint merge_adapter',
  'about evaluation during the training; the target decides':
    'eval_* evals_per_epoch do_bench_eval do_causal_lm_eval predict_with_generate compute_accuracy n_evals per_device_eval_batch_size prediction_loss_only include_for_metrics batch_eval_metrics metric_for_best_model greater_is_better label_names bf16_full_eval fp16_full_eval',
  'how the training is computed, not what is trained':
    'flash_attn flash_attention* xformers_attention sdp_attention s2_attention eager_attention sage_attention enable_liger_kernel plugins liger_* unsloth_* use_unsloth* lora_mlp_kernel lora_qkv_kernel lora_o_kernel cut_cross_entropy overwrite_cache preprocessing_* dataset_prepared_path dataset_processes dataset_keep_in_memory tokenized_path buffer_size low_cpu_mem_usage low_cpu_mem offload_folder ray_* use_ray resources_per_worker placement_strategy gpu_memory_limit device_map max_memory world_size sequence_parallel_* tensor_parallel_size context_parallel_size pad_to_sequence_len dataloader_prefetch_factor disable_shuffling skip_prepare_dataset strict activation_* gradient_checkpointing* disable_gradient_checkpointing torch_compile* torch_empty_cache_steps use_liger_kernel liger_kernel_config use_flash_attention_2 unsloth distributed_backend use_cache dataloader_* ddp_* fsdp* deepspeed accelerator_config parallelism_config local_rank use_cpu full_determinism attn_implementation dataset_num_proc dataset_streaming streaming precompute_ref_* do_train do_eval do_predict remove_unused_columns average_tokens_across_devices padding padding_free pad_to_multiple_of length_column_name ignore_bias_buffers',
  'the precision of the computation, which a job leaves to the target':
    'mixed_precision bf16 bfloat16 float16 fp16 pure_bf16 upcast_* infer_dtype tf32 dtype torch_dtype',
  'how a chat becomes tokens; the target uses the template of its model':
    'template chat_template chat_template_* default_system tool_format enable_thinking reasoning_effort special_tokens tokens added_tokens_overrides add_tokens add_special_tokens roles message_property_mappings message_field_* drop_system_message field_* conversation eos_token pad_token ignore_pad_token_for_loss',
  'it may run code of the model, which a job never does': 'trust_remote_code',
  'settings for loading the model':
    'model_init_kwargs model_type model_config* base_model_config tokenizer_* overrides_of_model_* is_*_derived_model cache_dir use_fast_tokenizer split_special_tokens resize_vocab resize_token_embeddings_to_32x rope_scaling shift_attn mixture_of_depths rope_theta print_param_status',
  'a column that this task does not read': 'prompt_text_column rejected_text_column target_column',
  'a part of a dataset that a job cannot name': 'datasets test_datasets data_dir columns data_files trust_remote_code revision',
  'which reader of files; it is told by their names': 'ds_type',
  'for answers, not for the training': 'do_sample temperature top_p top_k num_beams max_new_tokens infer_backend',
  'not used with the task and the other settings':
    'cutoff_len lora_rank lora_target lora_target_linear pref_beta rl_beta train_on_prompt field type split batch_size max_seq_length block_size model_max_length trainer peft use_peft use_rslora lora_r lora_alpha lora_dropout target_modules lora_target_modules lora_trainable_modules dpo_beta beta train_on_inputs max_steps num_train_epochs warmup_steps warmup_ratio dataset_name dataset_config dataset_train_split dataset_test_split hyperparameters',
};

/** Values with which the training is the same in a job. */
const usual: Readonly<Record<string, readonly unknown[]>> = {
  pref_loss: ['sigmoid'],
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

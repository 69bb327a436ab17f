/** Why flags of `trl sft` and `trl dpo` have no equal in a job, by what they are about. */
const groups: readonly (readonly [string, RegExp])[] = [
  ['a credential: it is not taken over', /^(hub_token|token)$/],
  ['where and whether the model is uploaded; the target decides', /^(push_to_hub|hub_.*)$/],
  [
    'about logging only',
    /^(logging_.*|log_.*|report_to|run_name|project|trackio_.*|disable_tqdm|include_num_input_tokens_seen|skip_memory_metrics|debug)$/,
  ],
  [
    'about saving checkpoints only',
    /^(save_.*|enable_jit_checkpoint|output_dir|overwrite_output_dir|ignore_data_skip|restore_callback_states_from_checkpoint)$/,
  ],
  [
    'about when and how the validation rows are looked at; the target decides',
    /^(eval_.*|per_device_eval_batch_size|prediction_loss_only|include_for_metrics|batch_eval_metrics|metric_for_best_model|greater_is_better|label_names|(bf|fp)16_full_eval)$/,
  ],
  [
    'how the training is computed, not what is trained',
    /^(activation_.*|gradient_checkpointing.*|torch_.*|use_liger_kernel|liger_kernel_config|use_cache|dataloader_.*|ddp_.*|fsdp.*|deepspeed|accelerator_config|parallelism_config|local_rank|use_cpu|full_determinism|attn_implementation|dataset_num_proc|dataset_streaming|streaming|precompute_ref_.*|do_train|do_eval|do_predict|remove_unused_columns|average_tokens_across_devices|padding_free|pad_to_multiple_of|length_column_name|ignore_bias_buffers)$/,
  ],
  ['the numbers that the source computes with; a job leaves them to the target', /^(bf16|fp16|tf32|dtype|torch_dtype)$/],
  [
    'changes what is trained: the weights are quantized while they are trained; a job cannot ask for it',
    /^(load_in_8bit|load_in_4bit|bnb_.*|use_bnb_nested_quant)$/,
  ],
  ['changes what is trained: it may take fewer rows per step than it says; a job takes what it says', /^auto_find_batch_size$/],
  ['may run code of the model: a job never does', /^trust_remote_code$/],
  ['changes what is trained: a training that goes on from another one; a job starts at its model', /^resume_from_checkpoint$/],
  ['how a chat becomes tokens; the target takes the template of its model', /^(chat_template_path|eos_token|pad_token)$/],
  ['changes what is trained: the optimizer; a job has no word for it, targets take AdamW where they choose', /^(optim|optim_.*|adam_.*)$/],
  [
    'changes what is trained: another kind of adapter',
    /^(use_rslora|use_dora|lora_target_parameters|lora_modules_to_save|lora_task_type)$/,
  ],
  [
    'changes what is trained: the order or the shape of the rows',
    /^(packing|packing_strategy|shuffle_dataset|train_sampling_strategy|data_seed|truncation_mode|dataset_kwargs|dataset_text_field|test_split_size)$/,
  ],
  [
    'changes what is trained: another loss',
    /^(loss_type|loss_weights|ld_alpha|f_divergence_type|f_alpha_divergence_coef|label_smoothing|label_smoothing_factor|use_weighting|discopop_tau|sync_ref_model|ref_model_.*|router_aux_loss_coef|neftune_noise_alpha|disable_dropout|max_prompt_length|max_completion_length)$/,
  ],
  ["changes what is trained: settings of the learning rate's course", /^lr_scheduler_kwargs$/],
  ['settings of loading the model', /^model_init_kwargs$/],
];

/** Flags that are on where a file does not name them, and that change what is trained. */
const onByDefault: readonly string[] = ['disable_dropout', 'average_tokens_across_devices'];

/** Losses that the two commands take by themselves. */
const usualLosses: readonly unknown[] = ['nll', 'chunked_nll', 'sigmoid'];

export function toTrlReason(path: string, value: unknown): string {
  const flag = path.split('.')[0]!;
  if (value === false && !onByDefault.includes(flag)) return 'switched off: nothing to carry over';
  if (flag === 'loss_type' && [value].flat().every((loss) => usualLosses.includes(loss))) return 'the usual loss, which targets take, too';
  if (flag === 'optim' && typeof value === 'string' && /^adamw_torch(_fused)?$/.test(value)) return 'AdamW, which targets take, too';
  return groups.find(([, pattern]) => pattern.test(flag))?.[0] ?? 'not a flag that is known here';
}

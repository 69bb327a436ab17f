/** Why a setting of AutoTrain has no equal in a job. */
const reasons: Readonly<Record<string, string>> = {
  quantization: 'changes what is trained: the weights are quantized while they are trained; a job cannot ask for it',
  mixed_precision: 'the numbers that the source computes with; a job leaves them to the target',
  optimizer: 'changes what is trained: a job has no word for the optimizer; targets take AdamW where they choose',
  auto_find_batch_size: 'changes what is trained: the source may take fewer rows per step than it says; a job takes what it says',
  padding: 'the side that short rows are filled on, a matter of the target',
  add_eos_token: 'changes what is trained: an end token after each text',
  merge_adapter: 'whether the adapter is merged into the weights when the training ends',
  model_ref: 'changes what is trained: another reference model; a job takes the model itself',
  max_prompt_length: 'changes what is trained: prompts are cut; a job has maxLength for the whole row',
  max_completion_length: 'changes what is trained: answers are cut; a job has maxLength for the whole row',
  early_stopping_patience: 'changes what is trained: it may end early; a job does not stop early in this version',
  early_stopping_threshold: 'belongs to early_stopping_patience',
  use_flash_attention_2: 'how attention is computed, not what',
  disable_gradient_checkpointing: 'memory against time; nothing else changes',
  unsloth: 'another implementation of the same training',
  distributed_backend: 'how devices share the work',
  eval_strategy: 'when the validation rows are looked at; the target decides',
  logging_steps: 'how often a line is logged',
  save_total_limit: 'how many checkpoints are kept',
  log: 'where the log goes',
  username: "the account; the target's credentials decide",
  token: 'a credential: it is not taken over',
  push_to_hub: 'whether the model is uploaded; the target decides',
  backend: 'where the source runs; choose it with the target',
  chat_template: 'how a chat becomes tokens; the target takes the template of its model',
  prompt_text_column: 'a column that this task does not read',
  rejected_text_column: 'a column that this task does not read',
  target_column: 'a column that this task does not read',
  trainer: 'the trainer, which the task names already',
  max_seq_length: 'not a setting of this task',
  block_size: 'changes what is trained: a list of lengths; a job has one',
};

export function toAutotrainReason(path: string, value: unknown): string {
  const name = path.split('.').at(-1)!;
  if (name === 'optimizer' && (value === 'adamw_torch' || value === 'adamw')) return 'AdamW, which targets take, too';
  if ((value === false && name !== 'add_eos_token') || value === 'none') return 'switched off: nothing to carry over';
  return (Object.hasOwn(reasons, name) ? reasons[name] : undefined) ?? 'not a setting of AutoTrain that is known here';
}

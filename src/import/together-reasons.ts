/** Why fields of Together's create call have no equal in a job. */
const groups: readonly (readonly [string, RegExp])[] = [
  ['a credential: it is not taken over', /^(hf_api_token|wandb_api_key)$/],
  ['about logging only', /^wandb_/],
  ['how often the validation rows are looked at; the target decides', /^n_evals$/],
  ['how many checkpoints are kept; the target decides', /^n_checkpoints$/],
  ['changes what is trained: it may end early; a job does not stop early in this version', /^early_stopping_/],
  ['changes what is trained: a training that goes on from another one; a job starts at its model', /^from_checkpoint$/],
  ["changes what is trained: weights of the Hub; elsewhere name them as the target's model", /^(from_hf_model|hf_model_revision)$/],
  ['where the model is uploaded; the target decides', /^hf_output_repo_name$/],
  ['changes what is trained: several rows in one', /^packing$/],
  [
    'changes what is trained: another loss',
    /^training_method\.(dpo_normalize_logratios_by_length|dpo_reference_free|rpo_alpha|simpo_gamma)$/,
  ],
  ["changes what is trained: settings of the learning rate's course", /^lr_scheduler\./],
  ['changes what is trained: the part that sees images; a job trains on text', /^multimodal_params/],
];

export function toTogetherReason(path: string): string {
  return groups.find(([, pattern]) => pattern.test(path))?.[0] ?? 'not a field of the create call that is known here';
}

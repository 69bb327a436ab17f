import { Failure } from '../errors.ts';
import { isFields } from './source.ts';

/** The kinds of files that can be imported, each with its name for people. */
export const formats = {
  autotrain: 'an AutoTrain configuration (task, base_model, data, params)',
  trl: 'a configuration for trl sft or trl dpo (model_name_or_path, dataset_name)',
  openai: 'a create call of OpenAI or Azure (model, training_file, method)',
  together: 'a create call of Together (model, training_file, n_epochs, training_type)',
} as const;

export type ConfigFormat = keyof typeof formats;

/** Keys that only one of the four has at the top. */
const marks: Readonly<Record<ConfigFormat, RegExp>> = {
  autotrain: /^(task|base_model|project_name|backend|params|hub)$/,
  trl: /^(model_name_or_path|dataset_name|datasets|output_dir|per_device_train_batch_size|num_train_epochs|max_steps|use_peft)$/,
  openai: /^(method|hyperparameters|integrations|metadata|seed|trainingType)$/,
  together:
    /^(n_epochs|n_evals|n_checkpoints|batch_size|learning_rate|lr_scheduler|warmup_ratio|max_grad_norm|weight_decay|max_seq_length|packing|random_seed|training_method|training_type|train_on_inputs|from_checkpoint|from_hf_model|hf_.*|early_stopping_.*|wandb_.*|multimodal_params|lora)$/,
};

function toFormats(content: Readonly<Record<string, unknown>>): ConfigFormat[] {
  const keys = Object.keys(content);
  const has = (format: ConfigFormat): boolean => keys.some((key) => marks[format].test(key));
  if (!Object.hasOwn(content, 'training_file')) return (['autotrain', 'trl'] as const).filter(has);
  const services = (['openai', 'together'] as const).filter(has);
  if (services.length > 0) return services;
  // A body of two or three fields fits both: models of Together are called owner/name.
  return [typeof content['model'] === 'string' && content['model'].includes('/') ? 'together' : 'openai'];
}

/**
 * Which of the four a parsed file is, by its keys.
 * @throws Failure `data-invalid` that lists the four, for none and for several
 */
export function detectFormat(content: unknown, file: string): ConfigFormat {
  const found = isFields(content) ? toFormats(content) : [];
  const [format] = found;
  if (format !== undefined && found.length === 1) return format;
  const what = found.length > 1 ? `keys of several: ${found.join(', ')}` : 'keys of none of them';
  const list = Object.values(formats)
    .map((name) => `  ${name}`)
    .join('\n');
  throw new Failure('data-invalid', `${file}: expected one of these, found ${what}\n${list}`);
}

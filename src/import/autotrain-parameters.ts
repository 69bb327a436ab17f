import { leave } from './notes.ts';
import { readFields, toValue, type Source, type SourcePath } from './source.ts';

/** Where AutoTrain's parameters stand outside of `params`, which is merged last and wins. */
const outer: Readonly<Record<string, SourcePath>> = {
  model: ['base_model'],
  project_name: ['project_name'],
  log: ['log'],
  data_path: ['data', 'path'],
  train_split: ['data', 'train_split'],
  valid_split: ['data', 'valid_split'],
  chat_template: ['data', 'chat_template'],
  username: ['hub', 'username'],
  token: ['hub', 'token'],
  push_to_hub: ['hub', 'push_to_hub'],
  text_column: ['data', 'column_mapping', 'text_column'],
  target_column: ['data', 'column_mapping', 'target_column'],
  prompt_text_column: ['data', 'column_mapping', 'prompt_text_column'],
  rejected_text_column: ['data', 'column_mapping', 'rejected_text_column'],
};

/** What the tasks of AutoTrain that a job has are called here. */
export type AutotrainTask = 'classification' | 'sft' | 'dpo' | 'generic';

/** Where a parameter stands, or would. */
export type ToPath = (parameter: string) => SourcePath;

/**
 * Finds parameters by their names.
 * @throws Failure `data-invalid` where a part of the configuration is no object
 */
export function openParameters(source: Source): ToPath {
  for (const key of ['data', 'params', 'hub']) readFields(source, [key]);
  readFields(source, ['data', 'column_mapping']);
  for (const [name, path] of Object.entries(outer)) {
    if (toValue(source, ['params', name]) !== undefined) leave(source, path, `params.${name} replaces it`);
  }
  return (name) => (toValue(source, ['params', name]) === undefined ? outer[name] : undefined) ?? ['params', name];
}

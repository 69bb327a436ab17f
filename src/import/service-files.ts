import { convert } from './notes.ts';
import { readText, requireText, toRefusal, type Source, type SourcePath } from './source.ts';

/** What both services with uploaded files have in common. */

function toFile(source: Source, path: SourcePath, id: string): string {
  if (!/^[\w.-]{1,128}$/.test(id) || /^\.+$/.test(id)) throw toRefusal(source, path, 'the id of an uploaded file');
  return /\.(jsonl|csv|parquet)$/i.test(id) ? `./${id}` : `./${id}.jsonl`;
}

const text = 'the id of a file at the service: save its content under this name, or name your own file';

/** Uploaded files as files beside the job. @throws Failure `data-invalid` for an absent or impossible id */
export function readServiceFiles(source: Source): { train: string; validation?: string } {
  const train = toFile(source, ['training_file'], requireText(source, ['training_file'], 'the id of an uploaded file'));
  convert(source, ['training_file'], { field: 'data.train', text });
  const id = readText(source, ['validation_file']);
  if (id === undefined) return { train };
  convert(source, ['validation_file'], { field: 'data.validation', text });
  return { train, validation: toFile(source, ['validation_file'], id) };
}

/** The service's own name of a model. @throws Failure `data-invalid` for what a job would take for a folder or a name of the Hub */
export function readServiceModel(source: Source): string {
  const model = requireText(source, ['model'], 'the name of a model');
  if (!/^[\w-]/.test(model) || /^(hub|run):/.test(model)) throw toRefusal(source, ['model'], 'the name of a model at the service');
  return model;
}

import type { JobSpec } from '../job/job-spec.ts';
import { notePart, readFilePath, readPart, type DataPart, type PartSource } from './hub-names.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { isFields, readNumber, readText, requireText, toRefusal, toValue, type Source, type SourcePath } from './source.ts';

type Data = JobSpec['data'];

const endings = ['.jsonl', '.csv'] as const;

/** Whether TRL looks at validation rows at all: only where `eval_strategy` says when. */
function isEvaluating(source: Source): boolean {
  const value = toValue(source, ['eval_strategy']);
  return typeof value === 'string' && !['no', 'false', 'off'].includes(value.toLowerCase());
}

/** @throws Failure `data-invalid` for absent data and for parts of it that a job cannot name */
export function readTrlData(source: Source): Data {
  const data = toValue(source, ['datasets']);
  if (Array.isArray(data) && data.length > 0) return readMixture(source, data);
  if (data !== undefined && data !== null && !Array.isArray(data)) throw toRefusal(source, ['datasets'], 'a list of datasets');
  const config = readText(source, ['dataset_config']);
  const read = (splitPath: SourcePath, fallback: string): { part: DataPart; found: PartSource } => {
    const part: DataPart = {
      path: ['dataset_name'],
      config,
      split: readText(source, splitPath) ?? fallback,
      splitPath,
      endings,
      usual: '.jsonl',
    };
    return { part, found: readPart(source, part) };
  };
  const train = read(['dataset_train_split'], 'train');
  notePart(source, train.part, { field: 'data.train', found: train.found });
  if (train.found.isLocal) leave(source, ['dataset_config'], 'a configuration of a dataset of the Hub; the data is in a folder');
  else convert(source, ['dataset_config'], { field: 'data.train', text: 'after "#" in the name of the dataset' });
  if (toValue(source, ['dataset_train_split']) === undefined) {
    assume(source, ['dataset_train_split'], { field: 'data.train', value: 'train', text: 'the split that is read: it is written' });
  }
  if (!isEvaluating(source)) {
    leave(source, ['dataset_test_split'], 'the source does not look at it without eval_strategy');
    return { train: train.found.at };
  }
  const validation = read(['dataset_test_split'], 'test');
  convert(source, ['eval_strategy'], { field: 'data.validation', text: 'validation rows are looked at; when, the target decides' });
  convert(source, ['dataset_test_split'], { field: 'data.validation', text: validation.found.text });
  if (toValue(source, ['dataset_test_split']) === undefined) {
    assume(source, ['dataset_test_split'], { field: 'data.validation', value: 'test', text: 'the split that is read: it is written' });
  }
  return { train: train.found.at, validation: validation.found.at };
}

/** Several datasets, one after the other. */
function readMixture(source: Source, datasets: readonly unknown[]): Data {
  for (const name of ['dataset_name', 'dataset_config', 'dataset_train_split', 'dataset_test_split']) {
    leave(source, [name], 'the source does not use it with "datasets"');
  }
  const train = datasets.flatMap((item, i) => {
    if (!isFields(item)) throw toRefusal(source, ['datasets', String(i)], 'an object with "path"');
    return readMixed(source, ['datasets', String(i)]);
  });
  const share = readNumber(source, ['test_split_size']);
  if (share === undefined || !isEvaluating(source)) return { train };
  if (share <= 0 || share > 0.5) {
    leave(source, ['test_split_size'], 'a job takes a share above 0 and up to 0.5 for validation');
    return { train };
  }
  convert(source, ['test_split_size'], { field: 'data.validation', text: 'the rows are chosen by their hash, not by a seed' });
  convert(source, ['eval_strategy'], { field: 'data.validation', text: 'validation rows are looked at; when, the target decides' });
  return { train, validation: { fraction: share } };
}

/** One dataset of a mixture: a name of the Hub, a folder, or files read by a builder such as `json`. */
function readMixed(source: Source, at: SourcePath): string[] {
  const path = [...at, 'path'];
  const name = requireText(source, path, 'the name of a dataset');
  const filesPath = [...at, 'data_files'];
  const files = toValue(source, filesPath) ?? undefined;
  if (files !== undefined && !/^(json|csv|parquet)$/.test(name)) {
    throw toRefusal(source, filesPath, 'no files of a dataset by name', 'A job names whole splits: save the rows to a file and name that.');
  }
  if (files === undefined) {
    const splitPath = [...at, 'split'];
    const part: DataPart = {
      path,
      config: readText(source, [...at, 'name']),
      split: readText(source, splitPath) ?? 'train',
      splitPath,
      endings,
      usual: '.jsonl',
    };
    const found = readPart(source, part);
    notePart(source, part, { field: 'data.train', found });
    if (toValue(source, splitPath) === undefined) {
      assume(source, splitPath, { field: 'data.train', value: 'train', text: 'the split that is read: it is written' });
    }
    convert(source, [...at, 'name'], { field: 'data.train', text: 'after "#" in the name of the dataset' });
    return [found.at];
  }
  const paths = Array.isArray(files) ? files.map((_, i) => [...filesPath, String(i)]) : [filesPath];
  if (paths.length === 0) throw toRefusal(source, filesPath, 'at least one file');
  carry(source, path, 'data.train');
  convert(source, [...at, 'split'], { field: 'data.train', text: 'all rows of the files' });
  return paths.map((file) => {
    convert(source, file, { field: 'data.train', text: 'paths start at the job file' });
    return readFilePath(source, file);
  });
}

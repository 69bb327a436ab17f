import { expect, test } from 'vitest';
import { chooseFiles, parseDatasetName } from '../../../providers/huggingface/dataset-files.ts';

const imdb = {
  configurations: [
    {
      config_name: 'plain_text',
      data_files: [
        { split: 'train', path: 'plain_text/train-*' },
        { split: 'test', path: 'plain_text/test-*' },
      ],
      default: true,
    },
  ],
  paths: ['.gitattributes', 'README.md', 'plain_text/test-00000-of-00001.parquet', 'plain_text/train-00000-of-00001.parquet'],
};
const glue = {
  configurations: [
    { config_name: 'ax', data_files: [{ split: 'test', path: 'ax/test-*' }] },
    {
      config_name: 'cola',
      data_files: [
        { split: 'train', path: 'cola/train-*' },
        { split: 'test', path: ['cola/test-*'] },
      ],
    },
  ],
  paths: ['README.md', 'ax/test-0.parquet', 'cola/train-0.parquet', 'cola/train-1.parquet', 'cola/test-0.parquet'],
};
const byName = {
  configurations: [],
  paths: ['README.md', 'data/train.jsonl', 'data/dev.jsonl', 'data/my-test-set.jsonl', 'dataset_infos.json'],
};
const converted = { configurations: [], paths: ['default/train/0000.parquet', 'default/train/0001.parquet', 'other/test/0000.parquet'] };
const one = { configurations: [], paths: ['README.md', 'rows.csv', 'state.json'] };
const patterns = {
  configurations: [
    { config_name: 'default', data_dir: 'v2', data_files: '**/*.jsonl' },
    { data_dir: 'v1', config_name: 'old' },
  ],
  paths: ['v1/train.csv', 'v1/test.csv', 'v2/a/x.jsonl', 'v2/b.jsonl', 'v3/c.jsonl'],
};
const mixed = { configurations: [], paths: ['train.csv', 'train.parquet', 'test.csv'] };

test.each([
  [imdb, '#plain_text/train', ['plain_text/train-00000-of-00001.parquet']],
  [imdb, '#train', ['plain_text/train-00000-of-00001.parquet']],
  [imdb, ':test', ['plain_text/test-00000-of-00001.parquet']],
  [imdb, ':plain_text/test-00000-of-00001.parquet', ['plain_text/test-00000-of-00001.parquet']],
  [glue, '#cola/train', ['cola/train-0.parquet', 'cola/train-1.parquet']],
  [glue, '#train', ['cola/train-0.parquet', 'cola/train-1.parquet']],
  [byName, '#train', ['data/train.jsonl']],
  [byName, '#default/validation', ['data/dev.jsonl']],
  [byName, '#test', ['data/my-test-set.jsonl']],
  [converted, '#default/train', ['default/train/0000.parquet', 'default/train/0001.parquet']],
  [one, '', ['rows.csv']],
  [one, '#train', ['rows.csv']],
  [patterns, '#default/train', ['v2/a/x.jsonl', 'v2/b.jsonl']],
  [patterns, '#old/test', ['v1/test.csv']],
  [mixed, ':train.csv', ['train.csv']],
])('%o has %s', (repository, choice, files) => {
  expect(chooseFiles({ ...parseDatasetName(`hub:acme/rows${choice}`), ...repository })).toEqual(files);
});

test.each([
  [
    imdb,
    '',
    'hub:acme/rows: expected one part of the dataset, found 2 that can be meant',
    '#plain_text/train, hub:acme/rows#plain_text/test;',
  ],
  [imdb, '#validation', 'expected one part of the dataset, found no "validation" in it', 'hub:acme/rows#plain_text/train'],
  [glue, '#test', 'found 2 that can be meant', 'hub:acme/rows#ax/test, hub:acme/rows#cola/test'],
  [imdb, ':README.md', 'expected a file that ends in .jsonl', 'one of its files'],
  [mixed, '#train', 'expected files of one format in it, found .csv, .parquet', 'hub:acme/rows:train.csv'],
  [{ configurations: [], paths: ['rows.py', 'README.md'] }, '', 'found a program, rows.py', 'hub:acme/rows@refs/convert/parquet'],
  [{ configurations: [], paths: ['data/a.tar', 'x.arrow', '.gitattributes'] }, '#train', 'found only .tar, .arrow', 'refs/convert/parquet'],
  [{ configurations: [], paths: ['README.md'] }, '', 'found none', 'refs/convert/parquet'],
  [{ configurations: ['what', { data_files: 7 }], paths: ['a.txt'] }, '', 'found only .txt', 'refs/convert/parquet'],
])('%o has nothing or too much for "%s"', (repository, choice, message, hint) => {
  const choose = (): unknown => chooseFiles({ ...parseDatasetName(`hub:acme/rows${choice}`), ...repository });
  const hinted = expect.stringContaining(hint) as string;
  expect(choose).toThrow(expect.objectContaining({ code: 'job-file-invalid', message: expect.stringContaining(message), hint: hinted }));
});

test.each([
  ['hub:acme/rows', { repository: 'acme/rows', revision: null, choice: null }],
  ['hub:acme/rows@v1.0', { repository: 'acme/rows', revision: 'v1.0', choice: null }],
  ['hub:acme/rows@refs/convert/parquet#a/b', { repository: 'acme/rows', revision: 'refs/convert/parquet', choice: 'a/b' }],
  ['hub:acme/rows:data/my rows.csv', { repository: 'acme/rows', revision: null, choice: 'data/my rows.csv' }],
])('%s', (source, name) => {
  expect(parseDatasetName(source)).toEqual(name);
});

test.each(['hub:rows', 'hub:../rows', 'hub:acme/..', 'hub:acme/rows#', 'hub:a/b/c'])('%s is no dataset', (source) => {
  expect(() => parseDatasetName(source)).toThrow(expect.objectContaining({ code: 'job-file-invalid' }));
});

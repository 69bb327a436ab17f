import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { detectFormat, importConfig, readConfig } from '../../src/import/import-config.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { createScratchFolder } from '../scratch.ts';

function write(text: string | Uint8Array, name = 'config.yml'): string {
  const path = join(createScratchFolder(), name);
  writeFileSync(path, text);
  return path;
}

test.each([
  [{ task: 'llm-sft', base_model: 'a/b' }, 'autotrain'],
  [{ base_model: 'a/b', data: {} }, 'autotrain'],
  [{ model_name_or_path: 'a/b' }, 'trl'],
  [{ datasets: [], learning_rate: 1 }, 'trl'],
  [{ model: 'gpt-4.1', training_file: 'f', method: {} }, 'openai'],
  [{ model: 'gpt-4.1', training_file: 'f' }, 'openai'],
  [{ model: 'a/b', training_file: 'f' }, 'together'],
  [{ model: 'b', training_file: 'f', n_epochs: 2 }, 'together'],
])('%j is a file of %s', (content, format) => {
  expect(detectFormat(content, 'f')).toBe(format);
});

test.each([
  [{}, 'keys of none of them'],
  [{ version: 1, targets: {} }, 'keys of none of them'],
  [[], 'keys of none of them'],
  ['text', 'keys of none of them'],
  [null, 'keys of none of them'],
  [{ base_model: 'a/b', model_name_or_path: 'a/b' }, 'keys of several: autotrain, trl'],
  [{ training_file: 'f', method: {}, training_method: {} }, 'keys of several: openai, together'],
])('%j is refused with those that there are', (content, found) => {
  expect(() => detectFormat(content, 'f.yml')).toThrow(
    `f.yml: expected one of these, found ${found}\n  an AutoTrain configuration (task, base_model, data, params)\n  a configuration for trl sft or trl dpo (model_name_or_path, dataset_name)\n  a configuration of LLaMA-Factory (model_name_or_path, stage, finetuning_type, dataset)\n  a configuration of axolotl (base_model, datasets, sequence_len, micro_batch_size)\n  a create call of OpenAI or Azure (model, training_file, method)\n  a create call of Together (model, training_file, n_epochs, training_type)`,
  );
});

test('an error names its place', async () => {
  const path = write('model_name_or_path: a/b\ndataset_name: a/b\nlearning_rate: fast\n');
  await expect(readConfig(path)).rejects.toThrow(`${path}:3:1 learning_rate: expected a number, found "fast"`);
  const json = write('{\n  "model": "gpt",\n  "training_file": 3\n}', 'body.json');
  await expect(readConfig(json)).rejects.toThrow(`${json}:3:3 training_file: expected a text, found 3`);
});

test('paths start beside the file', async () => {
  const folder = createScratchFolder();
  mkdirSync(join(folder, 'owner/rows'), { recursive: true });
  writeFileSync(join(folder, 'owner/rows/train.csv'), '');
  writeFileSync(join(folder, 'c.yaml'), 'model_name_or_path: a/b\ndataset_name: owner/rows\n');
  expect((await readConfig(join(folder, 'c.yaml'))).data.train).toBe('./owner/rows/train.csv');
});

test('the method of a TRL file can be said', async () => {
  const path = write('model_name_or_path: a/b\ndataset_name: a/b\n');
  expect((await readConfig(path, { method: 'dpo' })).task).toBe('preference');
});

test('aliases are resolved, and an explosion of them is refused', async () => {
  expect((await readConfig(write('model_name_or_path: &m a/b\ndataset_name: *m\n'))).data.train).toBe('hub:a/b#default/train');
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`),
  ];
  await expect(readConfig(write(`task: llm\n${bomb.join('\n')}\n`))).rejects.toMatchObject({ code: 'data-invalid' });
});

test.each([
  ['', 'expected a configuration, found an empty file'],
  ['x: &x { lr: 1 }\ntask: llm-sft\nparams: { <<: *x }\n', 'expected every field written out, found "<<"'],
  ['# nothing\n', 'found keys of none of them'],
  ['task: a\ntask: b\n', 'expected YAML: found a name that stands there already'],
  ['task: [', 'expected YAML'],
  ['task: a\n---\ntask: b\n', 'expected YAML'],
  ['task: llm-sft\nself: &s\n  inner: *s\n', ''],
  [`task: llm-sft\nx: ${'['.repeat(5000)}`, ''],
  [`task: ${'x'.repeat(2 ** 20)}`, 'expected a configuration of at most 1 MiB, found 1048582 bytes'],
  [new Uint8Array([0xff, 0xfe, 0x00]), 'expected text in UTF-8'],
])('refused: %.40s', async (text, message) => {
  await expect(readConfig(write(text))).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining(message) });
});

test('a key of JSON that occurs twice, and one that changes the prototype', async () => {
  const twice = write('{"model": "gpt",\n "training_file": "a",\n "training_file": "b"}', 'b.json');
  await expect(readConfig(twice)).rejects.toThrow(`${twice}:3:2 training_file: expected a key once, found it twice`);
  const proto = '{"model": "gpt", "training_file": "a", "__proto__": {"seed": 1}}';
  await expect(readConfig(write(proto, 'b.json'))).rejects.toMatchObject({ code: 'data-invalid' });
  await expect(readConfig(write(proto, 'b.yml'))).rejects.toMatchObject({ code: 'data-invalid' });
});

test('a file that is none', async () => {
  await expect(readConfig(join(createScratchFolder(), 'absent.yml'))).rejects.toMatchObject({ code: 'file-missing' });
  await expect(readConfig(createScratchFolder())).rejects.toMatchObject({ code: 'file-missing' });
  const pipe = join(createScratchFolder(), 'pipe.yml');
  execFileSync('mkfifo', [pipe]);
  await expect(readConfig(pipe)).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining('found a pipe') });
});

const config = {
  model_name_or_path: './model',
  datasets: [
    { path: 'json', data_files: './rows/a.jsonl', split: 'train' },
    { path: 'json', data_files: '../b.jsonl', split: 'train' },
  ],
  output_dir: './my-model',
  num_train_epochs: 2,
};

test('files that a configuration names are named from where the job file lies', async () => {
  const folder = createScratchFolder();
  for (const path of ['from/model', 'from/rows', 'from/jobs', 'to']) mkdirSync(join(folder, path), { recursive: true });
  for (const path of ['from/rows/a.jsonl', 'b.jsonl']) writeFileSync(join(folder, path), '');
  const path = join(folder, 'from/config.json');
  writeFileSync(path, JSON.stringify(config));
  const written = [
    await importConfig(path, { out: null }),
    await importConfig(path, { out: join(folder, 'to') }),
    await importConfig(path, { out: join(folder, 'from/jobs/j.json') }),
  ];
  expect(written.map((one) => one.path)).toEqual(['from/job.jsonc', 'to/job.jsonc', 'from/jobs/j.json'].map((name) => join(folder, name)));
  const specs = await Promise.all(written.map(async (one) => (await readJobFile(one.path)).spec));
  expect(specs.map(({ data, targets }) => [data.train, Object.values(targets).map(({ model }) => model)])).toEqual([
    [['./rows/a.jsonl', '../b.jsonl'], ['./model']],
    [['../from/rows/a.jsonl', '../b.jsonl'], ['../from/model']],
    [['../rows/a.jsonl', '../../b.jsonl'], ['../model']],
  ]);
  await expect(importConfig(path, { out: join(folder, 'to') })).rejects.toMatchObject({ code: 'usage' });
  await expect(importConfig(path, { out: join(folder, 'none') })).rejects.toMatchObject({ code: 'file-missing' });
  expect(readFileSync(path, 'utf8')).toBe(JSON.stringify(config));
});

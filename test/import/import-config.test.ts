import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importConfig } from '../../src/import/import-config.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { createScratchFolder } from '../scratch.ts';

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

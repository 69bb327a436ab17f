import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, parse as parsePath } from 'node:path';
import { expect, test } from 'vitest';
import { buildJobSpec, type ImportedJob } from '../../src/import/imported-job.ts';
import { readConfig } from '../../src/import/import-config.ts';
import { formatJobFile } from '../../src/import/job-file-text.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import { createScratchFolder } from '../scratch.ts';

const samples = globSync('fixtures/import/*.{yml,yaml,json}')
  .filter((path) => !path.endsWith('keys.json'))
  .sort();

async function writeJob(text: string): Promise<string> {
  const path = join(createScratchFolder(), 'job.json');
  await writeFile(path, text);
  return path;
}

const job: ImportedJob = {
  source: 'a test',
  name: 'mini',
  task: 'chat',
  data: { train: './train.jsonl' },
  training: { epochs: 2 },
  target: { name: 'openai', provider: 'openai', model: 'gpt-4.1' },
  notes: [],
};

test('the samples cover the four formats', () => {
  expect(samples.map((path) => parsePath(path).name)).toEqual([
    'autotrain-classification',
    'autotrain-dpo',
    'autotrain-sft',
    'azure-dpo',
    'openai-sft',
    'together-dpo',
    'together-sft',
    'trl-dpo',
    'trl-sft',
  ]);
});

test.each(samples)('%s becomes the job file beside it', async (path) => {
  const text = formatJobFile(await readConfig(path));
  expect(text).toBe(readFileSync(path.replace(/\.\w+$/, '.job.jsonc'), 'utf8'));
});

test.each(samples)('the job file of %s reads as the job, and its target resolves', async (path) => {
  const imported = await readConfig(path);
  const { spec, folder } = await readJobFile(await writeJob(formatJobFile(imported)));
  expect(spec).toEqual(buildJobSpec(imported));
  const run = resolveTarget(spec, imported.target.name, folder);
  expect(run).toMatchObject({ provider: imported.target.provider, training: imported.training, native: imported.target.native ?? {} });
});

test.each(samples)('a target of %s that loses its comment marks is a target', async (path) => {
  const imported = await readConfig(path);
  const lines = formatJobFile(imported).split('\n');
  const choices = lines.flatMap((line, i) => (line.startsWith('    // , ') ? [i] : []));
  const able = imported.task === 'classification' ? ['local', 'huggingface'] : ['huggingface'];
  expect(choices).toHaveLength(able.filter((provider) => provider !== imported.target.provider).length);
  for (const chosen of [choices, ...choices.map((choice) => [choice])]) {
    const text = lines.map((line, i) => (chosen.includes(i) ? line.replace('// ', '') : line)).join('\n');
    const { spec } = await readJobFile(await writeJob(text));
    expect(Object.keys(spec.targets)).toHaveLength(1 + chosen.length);
  }
});

test.each([
  'a\nb',
  'a\r"version": 2,',
  'a\u2028b',
  'a\u2029b',
  '*/ }',
  '/* ',
  '\u0085',
  '\u202e',
  '\u0000',
  '\ud800',
  '\n, "strict": true, //',
])('no comment is broken out of by %j', async (evil) => {
  const notes = (['carried', 'converted', 'unmatched', 'absent'] as const).flatMap((kind) =>
    [null, 'training.epochs', 'name', evil].map((field) => ({ kind, path: evil, field, value: { [evil]: evil }, text: evil })),
  );
  const text = formatJobFile({ ...job, source: evil, notes });
  expect(text).toMatch(/^[\n\x20-\x7e\u2026]*$/); // nothing of it is left as it was
  const plain = formatJobFile({
    ...job,
    notes: notes.map((note) => ({ ...note, path: 'x', value: 1, text: 'x', field: note.field === evil ? 'x' : note.field })),
  });
  expect(text.split('\n')).toHaveLength(plain.split('\n').length);
  const { spec } = await readJobFile(await writeJob(text));
  expect(spec).toEqual(buildJobSpec(job));
});

test('strings are escaped, and come back as they were', async () => {
  const model = 'a"\\\u202e\u2028\u{1f600}//*/{';
  const evil = { ...job, target: { ...job.target, model, native: { [model]: { [model]: [model] } } } };
  const { spec } = await readJobFile(await writeJob(formatJobFile(evil)));
  expect(spec.targets['openai']).toEqual({ provider: 'openai', model, native: { [model]: { [model]: [model] } } });
  expect(formatJobFile(evil)).not.toMatch(/[\u202e\u2028]/);
});

test('a long value does not make a long comment', () => {
  const text = formatJobFile({
    ...job,
    notes: [{ kind: 'unmatched', path: 'x', field: null, value: 'y'.repeat(10_000), text: 'z'.repeat(10_000) }],
  });
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(500);
});

test('settings that change the training come first; written defaults are apart from those left to a target', () => {
  const text = formatJobFile({
    ...job,
    notes: [
      { kind: 'unmatched', path: 'log', field: null, value: 1, text: 'about logging only' },
      { kind: 'unmatched', path: 'quantization', field: null, value: 'int4', text: 'changes what is trained: 4 bits' },
      { kind: 'absent', path: 'lr', field: 'training.learningRate', value: 3e-5, text: 'its own' },
      { kind: 'absent', path: 'n', field: 'training.epochs', value: 2, text: 'it is written' },
    ],
  });
  const titles = text.split('\n').filter((line) => /^\/\/ (Settings|Not set|Expressed|  )/.test(line));
  expect(titles).toEqual([
    '// Settings that a job does not have; the training differs without them:',
    '//   quantization = "int4": 4 bits',
    '// Settings that a job does not have:',
    '//   log = 1: about logging only',
    '// Not set in the source, and written below; please check:',
    '//   n = 2 (training.epochs): it is written',
    '// Not set in the source, so each target decides. The source trains with these values; add the ones that matter:',
    '//   lr = 0.00003 (training.learningRate): its own',
  ]);
});

test('a target of the same name as a choice leaves it another', () => {
  const text = formatJobFile({ ...job, target: { ...job.target, name: 'huggingface' } });
  expect(text).toContain('// , "huggingface-2": { "provider": "huggingface"');
});

import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createSandboxTrainer } from '../../src/cli/sandbox-trainer.ts';
import type { JobTask } from '../../src/sandbox/main.ts';

const base = fileURLToPath(new URL('../../fixtures/models/tiny-bert', import.meta.url));
const lines = readFileSync(new URL('../../fixtures/sentiment/train.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const task: JobTask = {
  version: 1,
  engine: 'autotrain',
  task: 'text-classification',
  dataset: { repo: 'a/rows', revision: 'main', train: 'train.jsonl', textColumn: 'text', labelColumn: 'label' },
  labels: ['negative', 'positive'],
  maxLength: 32,
  model: { base: 'google-bert/bert-base-uncased' },
  output: { repo: 'a/model' },
  parameters: { lr: 5e-4, epochs: 1, batch_size: 8, gradient_accumulation: 2, scheduler: 'linear', seed: 1 },
};
const toRows = (part: readonly string[]): Buffer => Buffer.from(`${part.join('\n')}\n`);

test(
  'trains with the trainer of this machine: a whole model, and the figures of each step and validation',
  { timeout: 60_000 },
  async () => {
    const rows = { train: toRows(lines.slice(0, 64)), validation: toRows(lines.slice(64, 96)) };
    const { files, figures } = await createSandboxTrainer(base)({ task, rows, base: null, signal: new AbortController().signal });
    expect([...files.keys()].sort()).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']));
    const config = JSON.parse(Buffer.from(files.get('config.json') ?? []).toString()) as { id2label: unknown };
    expect(config.id2label).toEqual({ 0: 'negative', 1: 'positive' });
    expect(figures).toHaveLength(5);
    expect(figures[0]).toMatchObject({
      step: 1,
      steps: 4,
      values: { loss: expect.any(Number), learning_rate: expect.any(Number), epoch: 0.25 },
    });
    expect(figures.at(-1)?.values).toMatchObject({ eval_loss: expect.any(Number), eval_accuracy: expect.any(Number), epoch: 1 });
  },
);

test('says why a training cannot be', async () => {
  const rows = { train: Buffer.from('{"text":"only one","label":"a"}\n'), validation: null };
  const training = createSandboxTrainer(base)({ task, rows, base: null, signal: new AbortController().signal });
  await expect(training).rejects.toThrow(/label/);
});

test('a training that nobody waits for any more is not begun', async () => {
  const rows = { train: toRows(lines), validation: null };
  const training = createSandboxTrainer(base)({ task, rows, base: null, signal: AbortSignal.abort(new Error('gone')) });
  await expect(training).rejects.toThrow('gone');
});

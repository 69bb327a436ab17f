import { expect, test } from 'vitest';
import type { TrainFile } from '../../src/trainer/files.ts';
import { toModelCard } from '../../src/trainer/model-card.ts';
import { settings } from './tiny-classifier.ts';

const train: TrainFile = {
  version: 1,
  nonce: 'n',
  attempt: 1,
  backend: 'wasm',
  model: { folder: '/models/tiny', labels: ['good', 'bad'], seed: 1, maxLength: 64 },
  rows: { train: 'rows/train.jsonl', validation: null },
  training: settings,
  card: { name: 'sentiment', base: 'owner/base' },
};
const facts = { train, rows: 10, steps: 5, epochs: [], unfinished: false };

test('front matter, settings and validation figures', () => {
  const card = toModelCard({ ...facts, epochs: [{ type: 'epoch-evaluated', step: 5, epoch: 1, rows: 4, loss: 0.25, accuracy: 0.75 }] });
  expect(card).toMatch(/^---\nbase_model: "owner\/base"\npipeline_tag: text-classification\n/);
  expect(card).toContain('| learning rate | 0.0005 |');
  expect(card).toContain('| 1 | 5 | 0.2500 | 0.7500 |');
  expect(card).not.toContain('did not reach its end');
  expect(toModelCard({ ...facts, unfinished: true })).toContain('did not reach its end');
});

test('foreign text stays text', () => {
  const hostile = 'x\n---\n<script>alert(1)</script> [a](b) | \u202e\u001b[31m';
  const card = toModelCard({
    ...facts,
    train: { ...train, card: { name: hostile, base: hostile }, model: { ...train.model, labels: [hostile, 'b'] } },
  });
  expect(card).not.toMatch(/\u202e|\u001b/);
  expect(card.slice(card.indexOf('\n# '))).not.toMatch(/<script>|\]\(/);
  expect(card.match(/^---$/gm)).toHaveLength(2);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseModelCard } from '../../../providers/huggingface/parse-model-card.ts';
import { anyText } from './any-text.ts';
import { readFixture } from './read-fixture.ts';

test("AutoTrain's section", () => {
  const metrics = parseModelCard(readFixture('card-classification.md'));
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([
    ['loss', 0.6009987592697144],
    ['f1', 0.6904761904761905],
    ['precision', 0.7073170731707317],
    ['recall', 0.6744186046511628],
    ['auc', 0.7404148334380892],
    ['accuracy', 0.675],
  ]);
  expect(metrics[1]).toMatchObject({
    split: 'validation',
    step: null,
    epoch: null,
    coverage: 'full',
    source: 'README.md: Validation Metrics, f1',
  });
});

test('the section ends at the next heading, and takes what is a number alone', () => {
  const card = '## Validation Metrics\r\nf1_macro: 0.5\r\nloss: nan\r\neval_rmse: 2\r\nnote: see below\r\n## Usage\r\nepochs: 3\r\n';
  expect(parseModelCard(card).map(({ name, value }) => [name, value])).toEqual([
    ['f1_macro', 0.5],
    ['rmse', 2],
  ]);
});

const index = `---
license: mit
model-index:
- name: m
  results:
  - task:
      name: Text Classification
      type: text-classification
    dataset:
      name: imdb
      type: imdb
      split: test
    metrics:
    - name: Accuracy
      type: accuracy
      value: 0.91
      args:
        type: other
    - type: rouge
      value: '41.5'
      name: Rouge1
    - name: None
      type: bad
      value: .nan
  - task:
      type: text-classification
    metrics:
      - type: accuracy
        value: 0.1
      - type: f1
        value: 0.2
language: en
---
# Model
`;

test("transformers' model-index", () => {
  const metrics = parseModelCard(index);
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([
    ['accuracy', 0.91],
    ['rouge', 41.5],
    ['f1', 0.2],
  ]);
  expect(metrics[0]).toMatchObject({ split: 'validation', coverage: 'unreported', source: 'README.md: model-index, accuracy' });
});

test('a card without measures, or with front matter of another form, has none', () => {
  expect(parseModelCard(readFixture('card-sft.md'))).toEqual([]);
  for (const card of [
    '',
    '---\n',
    '---\na: [\n---\n',
    '---\nmodel-index: 3\n---\n',
    '---\nmodel-index:\n  metrics:\n---\n',
    index.slice(4),
  ])
    expect(parseModelCard(card)).toEqual([]);
});

// A reader that goes over a text again and again would not end before the test's time is up.
test('any text is read, a long one too', { timeout: 15_000 }, () => {
  const word = fc.constantFrom('model-index:', 'metrics:', '- ', ' ', '\n', 'type: a', 'value: 1', 'x', '---');
  const any = fc.oneof(
    anyText,
    fc.array(word).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(any, (text) => {
      for (const { value } of parseModelCard(`---\nmodel-index:\n${text}\n---\n## Validation Metrics\n${text}`))
        expect(Number.isFinite(value)).toBe(true);
    }),
  );
  for (const part of ['[', ' ', '\n', 'a: 1\n', 'metrics:\n- type: a\n', '- ', "'", '-', ':', '#']) {
    const text = part.repeat(Math.ceil(3e5 / part.length));
    expect(parseModelCard(`---\nmodel-index:\n${text}\n---\n`)).toEqual([]);
    expect(parseModelCard(`## Validation Metrics\n${text}`).length).toBeLessThan(2);
  }
});

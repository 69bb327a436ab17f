import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JobSpec } from '../../src/job/job-spec.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import { buildFingerprint, buildRunKey } from '../../src/job/run-key.ts';

const base = {
  version: 1,
  name: 'sentiment',
  task: 'classification',
  data: { train: './train.jsonl', validation: { fraction: 0.1 }, test: './test.jsonl' },
  training: { epochs: 3, learningRate: 5e-4, seed: 42 },
  targets: { laptop: { provider: 'local', model: './models/tiny-bert' } },
};
const hashes = { train: 'a'.repeat(64), validation: null, model: 'b'.repeat(64) };

function toKey(job: object, { generation = 1, folder = '/jobs', content = hashes } = {}): string {
  const spec = resolveTarget(JobSpec.parse(job), 'laptop', folder);
  return buildRunKey(spec, generation, buildFingerprint(spec, content));
}

test('a golden key: no release may pay twice for an unchanged file', () => {
  expect(toKey(base)).toBe('kf4a5d7ronj5guc5fllfwuhtbbwf73qe');
  expect(toKey({ ...base, workspace: 'acme' })).toBe('azh4y3s4zc756akgvzxeuqeqiaxlgkp3');
});

test.each<[string, object]>([
  ['evaluation', { ...base, evaluation: { margin: 0.5 } }],
  ['references', { ...base, references: { old: { predictions: './old.jsonl' }, own: { command: ['./answer'] } } }],
  ['budget', { ...base, budget: { usd: 5 } }],
  ['tags', { ...base, tags: { team: 'x' } }],
  ['strict', { ...base, strict: true }],
  ['onUncertain', { ...base, onUncertain: 'retry' }],
  ['the test set', { ...base, data: { ...base.data, test: './other.jsonl' } }],
  ['the path of the training data', { ...base, data: { ...base.data, train: './elsewhere/rows.jsonl' } }],
  ['the path of the model', { ...base, targets: { laptop: { provider: 'local', model: '/models/same' } } }],
  ['another target', { ...base, targets: { ...base.targets, gpt: { provider: 'openai', model: 'gpt' } } }],
  ['a column named as the default', { ...base, data: { ...base.data, columns: { text: 'text' } } }],
])('%s does not change the key', (_, job) => {
  expect(toKey(job)).toBe(toKey(base));
});

test.each<[string, object]>([
  ['the name', { ...base, name: 'other' }],
  ['the workspace', { ...base, workspace: 'acme' }],
  ['a training field', { ...base, training: { ...base.training, epochs: 2 } }],
  ['one more training field', { ...base, training: { ...base.training, weightDecay: 0 } }],
  ['the validation rule', { ...base, data: { ...base.data, validation: { fraction: 0.2 } } }],
  ['a column', { ...base, data: { ...base.data, columns: { text: 'body' } } }],
  ['how quotes are read', { ...base, data: { ...base.data, quote: 'none' } }],
  ['a held-out share of the rows', { ...base, data: { ...base.data, test: { fraction: 0.2 } } }],
  ['the prompt', { ...base, prompt: { template: '{text}' } }],
  ['the provider', { ...base, targets: { laptop: { provider: 'other', model: './models/tiny-bert' } } }],
  ['an option', { ...base, targets: { laptop: { ...base.targets.laptop, options: { backend: 'cpu' } } } }],
  ['a raw field', { ...base, targets: { laptop: { ...base.targets.laptop, native: { x: 1 } } } }],
])('%s changes the key', (_, job) => {
  expect(toKey(job)).not.toBe(toKey(base));
});

test('the content of data and model, and the generation, change the key; the folder does not', () => {
  expect(toKey(base, { content: { ...hashes, train: 'c'.repeat(64) } })).not.toBe(toKey(base));
  expect(toKey(base, { content: { ...hashes, model: 'c'.repeat(64) } })).not.toBe(toKey(base));
  expect(toKey(base, { generation: 2 })).not.toBe(toKey(base));
  expect(toKey(base, { folder: '/elsewhere' })).toBe(toKey(base));
});

test('the order of fields does not change the key', () => {
  const shuffle = (value: unknown, order: readonly number[]): unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const entries = Object.entries(value).map(([name, inner], i) => [order[i % order.length]!, name, shuffle(inner, order)] as const);
    return Object.fromEntries(entries.toSorted((a, b) => a[0] - b[0]).map(([, name, inner]) => [name, inner]));
  };
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }), (order) => {
      expect(toKey(shuffle(base, order) as object)).toBe(toKey(base));
    }),
  );
});

test('a key is 32 characters of the lower-case base32 alphabet', () => {
  expect(toKey(base)).toMatch(/^[a-z2-7]{32}$/);
});

import { expect, test } from 'vitest';
import { formatComparison, formatScores } from '../../src/cli/views/comparison-view.ts';
import { buildComparison, type CandidateAnswers } from '../../src/evaluate/comparison.ts';
import type { Measure } from '../../src/job/measures.ts';

const expected = Array.from({ length: 20 }, (_, i) => (i % 4 === 0 ? 'yes' : 'no'));

function toText(measure: Measure, candidates: readonly Partial<CandidateAnswers>[], toView = formatComparison): string {
  const whole = candidates.map((candidate) => ({ name: 'gpt', kind: 'tuned', run: null, answers: expected, ...candidate }) as const);
  const labels = measure === 'accuracy' ? ['no', 'yes'] : [];
  const referenceAmong = whole.filter(({ kind }) => kind !== 'tuned').map(({ name }) => name);
  return toView(buildComparison({ job: 'job', set: 'test', measure, margin: 0.02, labels, expected, candidates: whole, referenceAmong }));
}

const majority = { name: 'most frequent label', kind: 'majority', answers: expected.map(() => 'no') } as const;

test('of models on this machine neither a cost nor a time is shown', () => {
  const text = toText('accuracy', [majority, { name: 'laptop', cost: 0, latency: null }]);
  expect(text.split('\n')[2]).toMatch(/^model +accuracy +macro-F1 +difference +95 % interval +p +verdict$/);
});

test('of models of a service both are', () => {
  const lines = toText('accuracy', [
    majority,
    { name: 'laptop', cost: 0, latency: null },
    { cost: 0.01234, latency: 1234.5 },
    { name: 'dear', cost: 12.345, latency: 80 },
    { name: 'tiny', cost: 0.000_012_34 },
  ]).split('\n');
  expect(lines[2]).toMatch(/ verdict +latency +cost$/);
  expect(lines[4]).toMatch(/ better +\$0\.00$/);
  expect(lines[5]).toMatch(/ better +1,235 ms +\$0\.012$/);
  expect(lines[6]).toMatch(/ better +80 ms +\$12\.(34|35)$/);
  expect(lines[7]).toMatch(/ better +\$0\.000012$/);
});

test('texts have one measure, and no labels', () => {
  const candidates = [
    { name: 'base of gpt', kind: 'untrained', answers: expected.map(() => 'yes') },
    { answers: expected.map((text, i) => (i === 0 ? null : text)) },
  ] as const;
  const text = toText('exact_match', candidates);
  expect(text.split('\n')[2]).toMatch(/^model +exact match +difference +95 % interval +p +verdict$/);
  expect(text).toMatch(/^base of gpt \* +0\.250$/m);
  expect(text).toContain('verdict: gpt is better than the base of gpt');
  expect(text).toContain('note: 1 rows got no answer from gpt and count as wrong');
  expect(toText('exact_match', candidates, formatScores)).toMatch(/^gpt \(tuned\): exact match 0\.950, 1 rows got no answer$/m);
});

test('answers that are no label are told of', () => {
  const text = toText('accuracy', [majority, { answers: expected.map((label, i) => (i < 3 ? null : label)) }]);
  expect(text).toContain('note: 3 answers of gpt were no label and count as wrong');
});

test('without a reference there is no star and no sentence', () => {
  const text = toText('exact_match', [{}]);
  expect(text).not.toContain('*');
  expect(text).not.toContain('verdict:');
});

test('a reference of the job is a row of its own, and bears the star', () => {
  const old = { name: 'old', kind: 'reference', latency: 900, answers: expected.map((label, i) => (i < 3 ? null : label)) } as const;
  const text = toText('accuracy', [old, { cost: 0.02 }]);
  expect(text).toMatch(/^old \(reference\) \* +0\.850 .* 900 ms$/m);
  expect(text).toContain('\n* the reference\nverdict: gpt is not worse than old by more than 0.02\n');
  expect(text).toContain('note: 3 rows got no label from old and count as wrong');
  expect(toText('accuracy', [old, {}], formatScores)).toContain('\n\nverdict: gpt is not worse than old by more than 0.02');
});

test.each([
  ['gpt', 'other (tuned) *', '* the reference: a tuned model', ['other']],
  ['untrained', 'weak *', '* the reference: not trained', ['weak']],
  ['base', 'known *', '* the reference: the model before this training', ['known']],
])('the star says what the reference is: %s', (_, starred, line, referenceAmong) => {
  const candidates = [
    { ...majority, run: null },
    { name: 'weak', kind: 'untrained', run: null, answers: expected.map(() => 'yes') },
    { name: 'known', kind: 'base', run: null, answers: expected },
    { name: 'other', kind: 'tuned', run: 'job/other', answers: expected },
  ] as const;
  const comparison = { job: 'job', set: 'test', measure: 'accuracy', margin: 0, labels: ['no', 'yes'], expected, candidates } as const;
  const text = formatComparison(buildComparison({ ...comparison, referenceAmong }));
  expect(text).toContain(`\n${starred} `);
  expect(text).toContain(`\n${line}`);
});

test('a good verdict of a model that is no better than the most frequent label says so', () => {
  const old = { name: 'old', kind: 'reference', answers: expected.map(() => null) } as const;
  const text = toText('accuracy', [majority, old, { answers: expected.map(() => 'no') }]);
  expect(text).toContain('verdict: gpt and the most frequent label are equivalent within 0.02\n');
  expect(text).toContain('note: gpt does not beat the most frequent label by more than chance: accuracy 0.750, and 0.750 for');
  expect(toText('accuracy', [old, { answers: expected.map(() => 'no') }])).toContain(
    'verdict: gpt is better than old, but no better than the most frequent label\n',
  );
});

import { expect, test } from 'vitest';
import { toComparison, type ComparedCandidate, type Comparison } from '../../src/evaluate/compare.ts';
import { failedRequirements, requirements } from '../../src/evaluate/requirement.ts';

/** Tuned models a, b, … of these verdicts beside the reference `old`, with the margin 0.02. */
function toCompared(tuned: readonly Pick<ComparedCandidate, 'verdict' | 'interval'>[], change: Partial<Comparison> = {}): Comparison {
  const names = ['a', 'b'].slice(0, tuned.length);
  const comparison = toComparison({
    job: 'job',
    set: 'test',
    measure: 'exact_match',
    margin: 0.02,
    labels: [],
    expected: ['x'],
    candidates: [
      { name: 'old', kind: 'reference', run: null, answers: ['x'] },
      ...names.map((name) => ({ name, kind: 'tuned', run: `job/${name}`, answers: ['x'] }) as const),
    ],
    referenceAmong: ['old'],
  });
  const [old, ...others] = comparison.candidates;
  return { ...comparison, candidates: [old!, ...others.map((candidate, i) => ({ ...candidate, ...tuned[i] }))], ...change };
}

const better = { verdict: 'better', interval: [0.1, 0.3] } as const;

test.each([
  ['better', [0.1, 0.3], ['better', 'not-worse']],
  ['better', [0.001, 0.02], ['better', 'not-worse', 'equivalent']],
  ['equivalent', [-0.01, 0.01], ['not-worse', 'equivalent']],
  ['not worse', [-0.01, 0.1], ['not-worse']],
  ['worse', [-0.2, -0.1], []],
  ['cannot tell', [-0.2, 0.2], []],
  [null, null, []],
] as const)('the verdict %s with the interval %j reaches %j', (verdict, interval, reached) => {
  const comparison = toCompared([{ verdict, interval }]);
  expect(requirements.filter((requirement) => failedRequirements([comparison], requirement).length === 0)).toEqual(reached);
});

test('each run that does not reach it is named, in each set', () => {
  const worse = { verdict: 'worse', interval: [-0.2, -0.1] } as const;
  const open = { verdict: 'cannot tell', interval: [-0.2, 0.1] } as const;
  const comparisons = [toCompared([worse, better]), toCompared([better, open], { set: 'hard', leftOut: ['job/c'] })];
  expect(failedRequirements(comparisons, 'not-worse')).toEqual([
    'a is worse than old',
    'b cannot be told from old (hard)',
    'job/c is left out and cannot be judged (hard)',
  ]);
  expect(failedRequirements([toCompared([{ verdict: 'equivalent', interval: [0, 0] }])], 'better')).toEqual(['a and old are equivalent']);
});

test('where nothing is judged nothing is reached', () => {
  const none = ['there is no tuned model to judge'];
  expect(failedRequirements([], 'not-worse')).toEqual(none);
  expect(failedRequirements([toCompared([])], 'not-worse')).toEqual(none);
  expect(failedRequirements([toCompared([better], { reference: 'a' })], 'not-worse')).toEqual(none);
  expect(failedRequirements([toCompared([{ verdict: null, interval: null }], { reference: null })], 'better')).toEqual([
    'a is held against nothing',
  ]);
});

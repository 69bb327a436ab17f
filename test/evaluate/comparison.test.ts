import { expect, test } from 'vitest';
import {
  buildComparison,
  listFailedRequirements,
  listHollowResults,
  requirements,
  type CandidateAnswers,
  type ComparedCandidate,
  type Comparison,
} from '../../src/evaluate/comparison.ts';

const expected = Array.from({ length: 40 }, (_, i) => `Answer ${i}`);
const input = { job: 'job', set: 'test', margin: 0.02, labels: [], expected, referenceAmong: ['majority', 'untrained'] } as const;

const toCandidate = (kind: CandidateAnswers['kind'], answers: CandidateAnswers['answers']): CandidateAnswers => ({
  name: kind,
  kind,
  run: null,
  answers,
});

test('a text is right if it is the expected one, whatever white space is around it', () => {
  const answers = ['Answer 0', '\tAnswer 1\n', 'answer 2', 'Answer  3', 'Answer 4.', null, ...expected.slice(6)];
  const { candidates } = buildComparison({ ...input, measure: 'exact_match', candidates: [toCandidate('tuned', answers)] });
  expect(candidates[0]).toMatchObject({ rows: 40, measures: { exact_match: 36 / 40 }, unparseable: 1, perClass: [], confusion: [] });
});

test('a label is right only as it is written', () => {
  const labels = ['no', 'yes'];
  const candidates = [toCandidate('majority', ['no', 'no']), toCandidate('tuned', ['no', ' yes'])];
  const comparison = buildComparison({ ...input, measure: 'accuracy', labels, expected: ['no', 'yes'], candidates });
  expect(comparison.candidates.map(({ measures }) => measures.accuracy)).toEqual([0.5, 0.5]);
  expect(comparison.candidates[1]).toMatchObject({ unparseable: 1, difference: 0 });
});

test('difference, interval, p and verdict are those of the rows that only one has right', () => {
  const base = expected.map((text, i) => (i < 10 ? text : 'no'));
  const tuned = expected.map((text, i) => (i < 2 ? 'no' : text));
  const { reference, candidates } = buildComparison({
    ...input,
    measure: 'exact_match',
    candidates: [toCandidate('untrained', base), toCandidate('tuned', tuned)],
  });
  expect(reference).toBe('untrained');
  expect(candidates[1]!.difference).toBeCloseTo(28 / 40, 9);
  const [low, high] = candidates[1]!.interval!;
  expect(low).toBeGreaterThan(0.4);
  expect(high).toBeLessThan(0.95);
  // 2 against 30 rows: 2 * (1 + 32 + 496) / 2^32
  expect(candidates[1]!.pValue).toBeCloseTo((2 * (1 + 32 + 496)) / 2 ** 32, 12);
  expect(candidates[1]!.verdict).toBe('better');
});

test('without a candidate for the reference there is no verdict', () => {
  const comparison = buildComparison({ ...input, measure: 'exact_match', candidates: [toCandidate('tuned', expected)] });
  expect(comparison).toMatchObject({ reference: null, candidates: [{ difference: null, interval: null, pValue: null, verdict: null }] });
});

test('the reference is the best of the possible ones, and tuned models are compared with it alone', () => {
  const withRight = (name: string, kind: CandidateAnswers['kind'], rows: number): CandidateAnswers => ({
    ...toCandidate(
      kind,
      expected.map((text, i) => (i < rows ? text : 'no')),
    ),
    name,
  });
  const candidates = [
    withRight('a', 'reference', 30),
    withRight('b', 'reference', 20),
    withRight('old', 'tuned', 10),
    withRight('new', 'tuned', 30),
  ];
  const compareWith = (...referenceAmong: string[]): [string | null, (string | null)[]] => {
    const compared = buildComparison({ ...input, measure: 'exact_match', candidates, referenceAmong });
    return [compared.reference, compared.candidates.map(({ verdict }) => verdict)];
  };
  expect(compareWith('b', 'a')).toEqual(['a', [null, null, 'worse', 'equivalent']]);
  expect(compareWith('b')).toEqual(['b', [null, null, 'worse', 'better']]);
  expect(compareWith('old')).toEqual(['old', [null, null, null, 'better']]);
  expect(compareWith('gone')).toEqual([null, [null, null, null, null]]);
});

test('"not worse" is a one-sided question: the printed interval may reach below the margin', () => {
  const rows = Array.from({ length: 400 }, (_, i) => `Answer ${i}`);
  const toAnswers = (isRight: (i: number) => boolean): string[] => rows.map((text, i) => (isRight(i) ? text : 'no'));
  const old = {
    ...toCandidate(
      'reference',
      toAnswers((i) => i < 380),
    ),
    name: 'old',
  };
  const tuned = toCandidate(
    'tuned',
    toAnswers((i) => i >= 20),
  );
  const compareWith = (margin: number): unknown => {
    const compared = buildComparison({
      ...input,
      expected: rows,
      measure: 'exact_match',
      margin,
      candidates: [old, tuned],
      referenceAmong: ['old'],
    });
    return compared.candidates[1];
  };
  const { interval } = compareWith(0) as { interval: [number, number] };
  expect(compareWith(-interval[0] - 0.001)).toMatchObject({ difference: 0, interval, verdict: 'not worse' });
  expect(compareWith(-interval[0] + 0.001)).toMatchObject({ difference: 0, interval, verdict: 'equivalent' });
  expect(compareWith(0.01)).toMatchObject({ difference: 0, interval, verdict: 'cannot tell' });
});

/** Tuned models a, b, … of these verdicts beside the reference `old`, with the margin 0.02. */
function toCompared(tuned: readonly Pick<ComparedCandidate, 'verdict' | 'interval'>[], change: Partial<Comparison> = {}): Comparison {
  const names = ['a', 'b'].slice(0, tuned.length);
  const comparison = buildComparison({
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
  expect(requirements.filter((requirement) => listFailedRequirements([comparison], requirement).length === 0)).toEqual(reached);
});

test('each run that fails a requirement is named, in each set', () => {
  const worse = { verdict: 'worse', interval: [-0.2, -0.1] } as const;
  const open = { verdict: 'cannot tell', interval: [-0.2, 0.1] } as const;
  const comparisons = [toCompared([worse, better]), toCompared([better, open], { set: 'hard', leftOut: ['job/c'] })];
  expect(listFailedRequirements(comparisons, 'not-worse')).toEqual([
    'a is worse than old',
    'b cannot be told from old (hard)',
    'job/c is left out and cannot be judged (hard)',
  ]);
  expect(listFailedRequirements([toCompared([{ verdict: 'equivalent', interval: [0, 0] }])], 'better')).toEqual([
    'a and old are equivalent',
  ]);
});

test('without a tuned model no requirement is met', () => {
  const none = ['there is no tuned model to judge'];
  expect(listFailedRequirements([], 'not-worse')).toEqual(none);
  expect(listFailedRequirements([toCompared([])], 'not-worse')).toEqual(none);
  expect(listFailedRequirements([toCompared([better], { reference: 'a' })], 'not-worse')).toEqual(none);
  expect(listFailedRequirements([toCompared([{ verdict: null, interval: null }], { reference: null })], 'better')).toEqual([
    'a is compared with nothing',
  ]);
});

const answerWith = (right: number): string[] => Array.from({ length: 100 }, (_, i) => (i < right ? 'no' : 'yes'));
const toJudged = (right: number, reference: number): Comparison =>
  buildComparison({
    ...input,
    measure: 'accuracy',
    labels: ['maybe', 'no', 'yes'],
    expected: Array.from({ length: 100 }, (_, i) => (i < 90 ? 'no' : 'maybe')),
    candidates: [
      toCandidate('majority', answerWith(40)),
      toCandidate('untrained', answerWith(reference)),
      toCandidate('tuned', answerWith(right)),
    ],
    referenceAmong: ['untrained'],
  });

test('a good verdict says so where the model is no better than the most frequent label', () => {
  const hollow = toJudged(42, 20);
  expect(hollow.candidates.map(({ verdict, beatsMajority }) => [verdict, beatsMajority])).toEqual([
    [null, null],
    [null, null],
    ['better', false],
  ]);
  expect(hollow.notes).toEqual([
    'tuned does not beat the most frequent label by more than chance: accuracy 0.420, and 0.400 for the most frequent label alone',
  ]);
  expect(listFailedRequirements([hollow], 'better')).toEqual([]);
  expect(listHollowResults([hollow], 'better')).toEqual(['met, but tuned does not beat the most frequent label by more than chance']);
  expect(listHollowResults([toJudged(42, 60)], 'better')).toEqual([]); // the requirement is not met
});

test('a model that is better, and wrong on most rows, is told', () => {
  expect(toJudged(48, 20).notes).toEqual([
    'tuned is wrong on more than half of the rows: accuracy 0.480, and 0.400 for the most frequent label alone',
  ]);
  expect(toJudged(70, 20)).toMatchObject({ notes: [], candidates: [{}, {}, { beatsMajority: true }] });
  expect(listHollowResults([toJudged(70, 20)], 'better')).toEqual([]);
});

test('without a rule among the candidates the most frequent of the right labels counts; texts have none', () => {
  const labels = { measure: 'accuracy', labels: ['no', 'yes'], expected: ['no', 'no', 'yes'] } as const;
  const [alone] = buildComparison({ ...input, ...labels, candidates: [toCandidate('tuned', ['no', 'no', 'no'])] }).candidates;
  expect(alone!.beatsMajority).toBe(false);
  const [text] = buildComparison({ ...input, measure: 'exact_match', candidates: [toCandidate('tuned', expected)] }).candidates;
  expect(text!.beatsMajority).toBeNull();
});

test('few rows are told', () => {
  const toNotes = (count: number): readonly string[] => {
    const rows = expected.concat(expected).slice(0, count);
    return buildComparison({ ...input, measure: 'exact_match', expected: rows, candidates: [toCandidate('tuned', rows)] }).notes;
  };
  expect(toNotes(1)).toEqual(['1 held-out row is few: chance alone moves a score by up to 1.00']);
  expect(toNotes(49)).toEqual(['49 held-out rows are few: chance alone moves a score by up to 0.14']);
  expect(toNotes(50)).toEqual([]);
});

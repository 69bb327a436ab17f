import { expect, test } from 'vitest';
import { measures } from '../../src/evaluate/measures.ts';

const { score } = measures.accuracy;

test('hand-computed: an answer that is no label is wrong, and precision does not see it', () => {
  const expected = ['no', 'no', 'no', 'yes', 'yes', 'yes'];
  expect(score({ labels: ['no', 'yes'], expected, answers: ['no', 'no', 'yes', 'yes', null, 'maybe'] })).toEqual({
    measures: { accuracy: 0.5, macro_f1: expect.closeTo(0.6, 14) as number },
    perClass: [
      { label: 'no', precision: 1, recall: 2 / 3, f1: 4 / 5, support: 3 },
      { label: 'yes', precision: 1 / 2, recall: 1 / 3, f1: 2 / 5, support: 3 },
    ],
    confusion: [
      [2, 1],
      [0, 1],
    ],
    unparseable: 2,
  });
});

test('a label that no row has and no answer names counts 0 in the macro mean', () => {
  const scores = score({ labels: ['a', 'b', 'c'], expected: ['a', 'b'], answers: ['a', 'b'] });
  expect(scores.measures.macro_f1).toBe(2 / 3);
  expect(scores.perClass[2]).toEqual({ label: 'c', precision: 0, recall: 0, f1: 0, support: 0 });
});

test('only unparseable answers, and no rows at all, score 0 and not NaN', () => {
  for (const expected of [['a', 'b'], []]) {
    const answers = expected.map(() => null);
    const scores = { measures: { accuracy: 0, macro_f1: 0 }, unparseable: expected.length };
    expect(score({ labels: ['a', 'b'], expected, answers })).toMatchObject(scores);
    expect(measures.exact_match.score({ labels: [], expected, answers }).measures).toEqual({ exact_match: 0 });
  }
});

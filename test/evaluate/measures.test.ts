import { expect, test } from 'vitest';
import { measureClassification } from '../../src/evaluate/measures.ts';

test('hand-computed: an answer that is no label is wrong, and precision does not see it', () => {
  const measures = measureClassification({ labels: ['no', 'yes'], expected: [0, 0, 0, 1, 1, 1], predicted: [0, 0, 1, 1, null, null] });
  expect(measures).toEqual({
    rows: 6,
    accuracy: 0.5,
    macroF1: expect.closeTo(0.6, 14),
    weightedF1: expect.closeTo(0.6, 14),
    // As scikit-learn's over a third label: (3*6 - 3*2 - 3*2) / sqrt((36 - 9 - 9)(36 - 4 - 4 - 4))
    mcc: expect.closeTo(6 / Math.sqrt(18 * 24), 14),
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

test('a label that no row has and none is given counts 0 in the macro mean and nothing in the weighted one', () => {
  const { macroF1, weightedF1, perClass } = measureClassification({ labels: ['a', 'b', 'c'], expected: [0, 1], predicted: [0, 1] });
  expect([macroF1, weightedF1]).toEqual([2 / 3, 1]);
  expect(perClass[2]).toEqual({ label: 'c', precision: 0, recall: 0, f1: 0, support: 0 });
});

test('nothing but unparseable answers, and no rows at all, are 0 and not NaN', () => {
  for (const expected of [[0, 1], []]) {
    const { accuracy, macroF1, weightedF1, mcc, unparseable } = measureClassification({
      labels: ['a', 'b'],
      expected,
      predicted: expected.map(() => null),
    });
    expect([accuracy, macroF1, weightedF1, mcc, unparseable]).toEqual([0, 0, 0, 0, expected.length]);
  }
});

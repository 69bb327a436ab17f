import { expect, test } from 'vitest';
import { chooseToken, listMostProbable, type Sampling } from '../../../src/trainer/language/sample.ts';

/** Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625, in another order of tokens, and not normalised. */
const probabilities = [0.0625, 0.25, 0.5, 0.0625, 0.125];
const logits = Float32Array.from(probabilities, (p) => Math.log(p) + 30);

const plain: Sampling = { temperature: 1, topP: 1, topK: null, seed: 3 };

/** How often each token is chosen in 4000 places. */
function count(sampling: Sampling, isAllowed: ((id: number) => boolean) | null = null): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let place = 0; place < 4000; place++) counts[chooseToken(logits, sampling, { place, isAllowed }).id]!++;
  return counts;
}

const toShares = (counts: readonly number[]): number[] => counts.map((one) => one / 4000);

/** Shares of 4000 draws, four standard deviations at most from what is expected. */
function expectShares(found: readonly number[], expected: readonly number[]): void {
  for (const [i, share] of expected.entries()) {
    expect(Math.abs(toShares(found)[i]! - share)).toBeLessThanOrEqual(4 * Math.sqrt((share * (1 - share)) / 4000));
  }
}

test('tokens are chosen as often as their probabilities say; the temperature changes these', () => {
  expectShares(count(plain), probabilities);
  const warm = probabilities.map((p) => Math.sqrt(p));
  const sum = warm.reduce((all, one) => all + one, 0);
  expectShares(
    count({ ...plain, temperature: 2 }),
    warm.map((one) => one / sum),
  );
  expect(count({ ...plain, temperature: 0 })).toEqual([0, 0, 4000, 0, 0]);
});

test('the same seed chooses the same tokens, another one others', () => {
  const choose = (seed: number): number[] =>
    Array.from({ length: 40 }, (_, place) => chooseToken(logits, { ...plain, seed }, { place, isAllowed: null }).id);
  expect(choose(1)).toEqual(choose(1));
  expect(choose(1)).not.toEqual(choose(2));
});

test('only the most probable tokens are chosen: so many, or so probable together', () => {
  expect(count({ ...plain, topK: 1 })).toEqual([0, 0, 4000, 0, 0]);
  expectShares(count({ ...plain, topK: 2 }), [0, 1 / 3, 2 / 3, 0, 0]);
  expectShares(count({ ...plain, topP: 0.7 }), [0, 1 / 3, 2 / 3, 0, 0]);
  expectShares(count({ ...plain, topP: 0.8 }), [0, 2 / 7, 4 / 7, 0, 1 / 7]);
  expect(count({ ...plain, topP: 0 })).toEqual([0, 0, 4000, 0, 0]);
  expectShares(count({ ...plain, topK: 3, topP: 0.99 }), [0, 2 / 7, 4 / 7, 0, 1 / 7]);
  expectShares(count({ ...plain, topK: 3, topP: 0.7 }), [0, 1 / 3, 2 / 3, 0, 0]);
});

test('a token that is not allowed is never chosen, and takes no place of one that is', () => {
  const isAllowed = (id: number): boolean => id !== 2 && id !== 1;
  expectShares(
    count({ ...plain, topK: 2 }, (id) => id !== 2),
    [0, 2 / 3, 0, 0, 1 / 3],
  );
  expectShares(count(plain, isAllowed), [0.25, 0, 0, 0.25, 0.5]);
  expect(count({ ...plain, temperature: 0 }, isAllowed)).toEqual([0, 0, 0, 0, 4000]);
  expect(() => count(plain, () => false)).toThrow('at least one token that is allowed');
});

test('log-probabilities are those of the model, whatever limits the choice', () => {
  const limits: Sampling = { temperature: 0.3, topP: 0.6, topK: 2, seed: 1 };
  const { id, logProbability } = chooseToken(logits, limits, { place: 0, isAllowed: null });
  expect(logProbability).toBeCloseTo(Math.log(probabilities[id]!), 5);
  const all = listMostProbable(logits, 99);
  expect(all.map((one) => one.id)).toEqual([2, 1, 4, 0, 3]);
  for (const one of all) expect(one.logProbability).toBeCloseTo(Math.log(probabilities[one.id]!), 5);
  expect(listMostProbable(logits, 2)).toEqual(all.slice(0, 2));
  expect(listMostProbable(logits, 0)).toEqual([]);
});

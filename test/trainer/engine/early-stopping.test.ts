import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findEarlyEnd, isBetter } from '../../../src/trainer/engine/early-stopping.ts';
import type { EpochEvaluated } from '../../../src/trainer/protocol.ts';
import type { EarlyStopping } from '../../../src/trainer/training-controls.ts';

type Case = EarlyStopping & { readonly values: readonly number[]; readonly end: number | null };
const { earlyStopping: cases } = JSON.parse(readFileSync('fixtures/parity/controls.json', 'utf8')) as { earlyStopping: readonly Case[] };

/** The other figure points the other way, so that a rule that reads it is found. */
function toEvaluations(values: readonly number[], by: EarlyStopping['by']): EpochEvaluated[] {
  return values.map((value, i) => {
    const figures = by === 'loss' ? { loss: value, accuracy: -i } : { loss: i, accuracy: value };
    return { type: 'epoch-evaluated', step: i + 1, epoch: i + 1, rows: 1, ...figures };
  });
}

test('a training ends where the callback of transformers ends it', () => {
  const ends = cases.map(({ values, ...settings }) => {
    const counts = values.map((_, i) => i + 1);
    return counts.find((count) => findEarlyEnd(toEvaluations(values.slice(0, count), settings.by), settings) !== null) ?? null;
  });
  expect(ends).toEqual(cases.map(({ end }) => end));
  expect(new Set(ends).size).toBeGreaterThan(5);
  expect(ends).toContain(null);
});

test('the best validation is named, also where it is better by less than what counts', () => {
  const settings: EarlyStopping = { patience: 2, minDelta: 0.1, by: 'loss' };
  const evaluations = toEvaluations([0.5, 0.45, 0.44], 'loss');
  expect(findEarlyEnd(evaluations, settings)).toBe(evaluations[2]);
  expect(findEarlyEnd(evaluations.slice(0, 2), settings)).toBeNull();
  expect(findEarlyEnd(evaluations, undefined)).toBeNull();
});

test('of numbers the smaller mean error is better', () => {
  const evaluations = [0.5, 0.4, 0.45].map((meanAbsoluteError, i): EpochEvaluated => {
    return { type: 'epoch-evaluated', step: i + 1, epoch: i + 1, rows: 1, loss: -i, meanAbsoluteError };
  });
  expect(findEarlyEnd(evaluations, { patience: 1, minDelta: 0, by: 'measure' })).toBe(evaluations[1]);
  expect(isBetter(evaluations[1]!, evaluations[0]!, { by: 'measure' })).toBe(true);
});

test('what is not a number is no progress, and worse than any number', () => {
  const evaluations = toEvaluations([NaN, 0.5, NaN], 'loss');
  expect(findEarlyEnd(evaluations, { patience: 1, minDelta: 0, by: 'loss' })).toBe(evaluations[1]);
  expect([isBetter(evaluations[1]!, evaluations[0]!), isBetter(evaluations[0]!, evaluations[1]!)]).toEqual([true, false]);
  expect(isBetter(evaluations[2]!, evaluations[0]!)).toBe(false);
});

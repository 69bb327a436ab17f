import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findNeededRows } from '../../../../src/trainer/engine/train.ts';
import { readChosenRows } from '../../../../src/trainer/tasks/classification/rows.ts';
import { readRows } from '../../read-rows.ts';
import { createScratchFolder } from '../../../scratch.ts';
import { openTinyClassifier } from '../../tiny-classifier.ts';

const path = 'fixtures/sentiment/train.jsonl';
const settings = { batchSize: 8, seed: 5, epochs: null, steps: 1 };

test('a training of a few steps reads the rows of its batches only, which are those of all rows', async () => {
  const classifier = await openTinyClassifier();
  const all = await readRows(classifier, path);
  const needed = findNeededRows(all.rows.length, settings)!;
  const some = await readChosenRows(classifier, path, { choose: (count) => findNeededRows(count, settings) });
  expect(some.rows.length).toBe(all.rows.length);
  expect(needed.size).toBeLessThan(all.rows.length);
  for (const [i, row] of some.rows.entries()) expect(row).toEqual(needed.has(i) ? all.rows[i] : undefined);
});

test('a training of an epoch or more reads all rows', () => {
  expect(findNeededRows(100, { ...settings, steps: 13 })).toBeNull();
  expect(findNeededRows(100, { ...settings, steps: null, epochs: 1 })).toBeNull();
  expect(findNeededRows(10_000, { ...settings, steps: 5 })!.size).toBeLessThanOrEqual(5 * 16 * 8);
});

test('rows are counted as they are read: blank lines are none, and what is not needed is not looked at', async () => {
  const classifier = await openTinyClassifier();
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(0, 3);
  const file = join(createScratchFolder(), 'rows.jsonl');
  writeFileSync(file, [lines[0], '', ' \t', '{"broken', ` ${lines[2]}`, ''].join('\n'));
  const all = await readRows(classifier, path);
  const counts: number[] = [];
  const choose = (count: number): Set<number> => {
    counts.push(count);
    return new Set([0, 2]);
  };
  const { rows } = await readChosenRows(classifier, file, { choose });
  expect(counts).toEqual([3]);
  expect(rows).toEqual([all.rows[0], undefined, all.rows[2]]);
  await expect(readRows(classifier, file)).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining(`${file}:4`) });
});

test('reading says how far it is', async () => {
  const said: { rows: number; share: number }[] = [];
  const { rows } = await readRows(await openTinyClassifier(), path, { onRead: (progress) => said.push(progress) });
  expect(said.at(-1)).toEqual({ rows: rows.length, share: 1 });
});

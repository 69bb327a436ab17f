import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/main.ts';
import { copyProduct, sourceProduct } from '../kills/product.ts';
import { captureWhole, killCapture, type CaptureBench, type WholeCapture } from './capture-trial.ts';

/* The harness at a few boundaries, so that it keeps working: `node test/evaluate/kill-capture.ts` is the proof. */
let bench: CaptureBench;
let whole: WholeCapture;

beforeAll(async () => {
  bench = {
    sandbox: await startSandbox(),
    scratch: mkdtempSync(join(tmpdir(), 'orchestrate-captures-')),
    product: sourceProduct,
  };
  whole = await captureWhole(bench);
}, 60_000);

afterAll(async () => {
  await bench.sandbox.close();
  rmSync(bench.scratch, { recursive: true });
});

test(
  'killed among the answers, and again: stored answers are not paid for again, and the file is the same',
  { timeout: 60_000 },
  async () => {
    const middle = whole.points[Math.floor(whole.points.length / 2)]!;
    expect(await killCapture(bench, whole, [middle, 40])).toMatchObject({ kills: 2, faults: [] });
  },
);

test('killed when all answers are there, before the file is: the next one pays for nothing', { timeout: 60_000 }, async () => {
  expect(await killCapture(bench, whole, ['before rename'])).toEqual({ kills: 1, lost: 0, faults: [] });
});

test.each([
  ['answers are stored in batches', `model.kind === 'endpoint' ? 1 : folderBatch`, 'folderBatch', 'LOST: '],
  [
    'stored answers are ignored',
    'const known = await readAnswers(store, requests);',
    'const known = new Map<string, StoredAnswer>();',
    'DOUBLE: ',
  ],
])('the harness notices a program in which %s', { timeout: 60_000 }, async (name, from, to, fault) => {
  const product = copyProduct(join(bench.scratch, name), [{ file: 'src/evaluate/answers.ts', from, to }]);
  const { faults } = await killCapture({ ...bench, product }, whole, [whole.points[75]!]);
  expect(faults).toContainEqual(expect.stringContaining(fault));
});

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from '../../src/trainer/backends/index.ts';
import { computeAllLogits, openClassifier } from '../../src/trainer/tasks/classification/classifier.ts';
import { runTraining } from '../../src/trainer/run-training.ts';
import { createScratchFolder } from '../scratch.ts';
import { readEvents } from './small-training.ts';
import { labels } from './tiny-classifier.ts';

/** Half-done trainings of version 0.1.0, each with the losses that it came to: see README.md there. */
const stored = join(import.meta.dirname, '../../fixtures/old-state/trainings');

function copyTraining(name: string, change: (train: string) => string = (text) => text): string {
  const folder = join(createScratchFolder(), name);
  cpSync(join(stored, name), folder, { recursive: true });
  const path = join(folder, 'train.json');
  writeFileSync(path, change(readFileSync(path, 'utf8').replace('/old/model', join(stored, 'model'))));
  return folder;
}

test.each(['full', 'lora', 'head'])('%s: a training that this version left half done goes on to the same losses', async (name) => {
  const folder = copyTraining(name);
  const { losses } = JSON.parse(readFileSync(join(folder, 'later.json'), 'utf8')) as { losses: [step: number, loss: number][] };
  const before = readEvents(folder).length;
  expect(await runTraining(folder, () => {})).toBe(0);
  const later = readEvents(folder).slice(before);
  expect(later.find(({ type }) => type === 'training-resumed')).toMatchObject({ step: 14 });
  const found = new Map(later.flatMap((event) => (event.type === 'step-finished' ? [[event.step, event.loss] as const] : [])));
  // Step 15 and 16 were written before it was killed: they are taken again, and not written twice.
  for (const [step, loss] of losses.filter(([one]) => one > 16)) expect(found.get(step), `step ${step}`).toBeCloseTo(loss, 5);
  const tf = await startBackend('wasm');
  const classifier = openClassifier(tf, { folder: join(folder, 'model'), labels, seed: 1, maxLength: 8 });
  expect(computeAllLogits(classifier, [{ ids: [2, 5, 3], typeIds: [0, 0, 0], label: 0 }])[0]).toHaveLength(2);
});

test('one that cannot go on says why, and what to do', async () => {
  const folder = copyTraining('lora', (text) => text.replace('"alpha":4', '"alpha":8'));
  expect(await runTraining(folder, () => {})).toBe(1);
  expect(readEvents(folder).at(-1)).toMatchObject({
    type: 'training-failed',
    message: expect.stringContaining('expected a checkpoint of this training, found one of another training settings') as string,
    hint: 'Submit the job once more with --again: it trains from the start. This training has ended.',
  });
});

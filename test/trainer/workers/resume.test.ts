import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatEvent, foldEvents } from '../../../src/provider-kit/trainer-events.ts';
import type { TrainFile } from '../../../src/trainer/protocol.ts';
import { runTraining } from '../../../src/trainer/run-training.ts';
import { createScratchFolder } from '../../scratch.ts';
import { runUntil } from '../run-until.ts';
import { readEvents, toFigures, writeRunFolder, writeSmallModel } from '../small-training.ts';

function createRun(file: Partial<TrainFile>): string {
  const [folder, model] = [createScratchFolder(), join(createScratchFolder(), 'model')];
  writeSmallModel(model);
  writeRunFolder(folder, model, { training: { steps: 20 }, file });
  return folder;
}

test('a training of two threads that was killed ends with the same bytes; its losses are those of one thread', async () => {
  const whole = createRun({ threads: 2 });
  const killed = createScratchFolder();
  cpSync(whole, killed, { recursive: true });
  const expected = (await runUntil(whole, 0))!;
  expect(await runUntil(killed, 12)).toBeNull();
  const resumed = (await runUntil(killed, 0))!;
  expect(resumed.weights).toEqual(expected.weights);
  expect(toFigures(readEvents(killed))).toEqual(toFigures(readEvents(whole)));
  expect(readEvents(killed).find(({ type }) => type === 'training-resumed')).toMatchObject({ step: 7, changed: null });

  const alone = createRun({});
  await runUntil(alone, 0);
  const [two, one] = [whole, alone].map((folder) => readEvents(folder).flatMap((event) => ('loss' in event ? event.loss : [])));
  expect(two!.length).toBe(20 + 5);
  for (const [i, loss] of one!.entries()) expect(Math.abs(two![i]! - loss), `figure ${i}`).toBeLessThan(1e-6);
});

test('a checkpoint of another count of threads is gone on with, and an event says so', async () => {
  const folder = createRun({ threads: 2 });
  expect(await runUntil(folder, 12)).toBeNull();
  const path = join(folder, 'train.json');
  const { threads: _, ...file } = JSON.parse(readFileSync(path, 'utf8')) as TrainFile;
  writeFileSync(path, JSON.stringify(file));
  await runUntil(folder, 0);
  expect(readEvents(folder).find(({ type }) => type === 'training-resumed')).toMatchObject({ changed: 'threads 2 became 1' });
});

test('the trainer says how many threads compute, and warns where there are fewer cores', async () => {
  const folder = createRun({ threads: 3 });
  expect(await runTraining(folder, () => {})).toBe(0);
  const events = readEvents(folder);
  expect(events[0]).toMatchObject({ type: 'trainer-started', threads: 3, cores: expect.any(Number) as number });
  expect(formatEvent(events[0]!)[0]).toContain('backend wasm, 3 threads');
  const [enough, few] = [3, 1].map((cores) => foldEvents([{ ...events[0]!, cores } as (typeof events)[0]]).notes);
  expect(enough).toEqual([]);
  expect(few).toEqual([{ type: 'warning', message: expect.stringContaining('fewer cores (1)') as string }]);
});

import { expect, test } from 'vitest';
import { killTraining, killWriters } from './kills.ts';

test('a training whose process is killed a dozen times ends with the same model, and each event is written once', async () => {
  const { kills, problems } = await killTraining(12, { seed: 1, backend: 'wasm', large: true });
  expect(problems).toEqual([]);
  expect(kills).toBeGreaterThan(8); // on a slow machine one may come too late
});

test('so does one whose threads share each batch', async () => {
  const { kills, problems } = await killTraining(4, { seed: 2, backend: 'wasm', large: true, threads: 2 });
  expect(problems).toEqual([]);
  expect(kills).toBeGreaterThan(2);
});

test('a process that is killed while it writes checkpoints leaves a whole one, and none that was written is lost', async () => {
  const { kills, problems } = await killWriters(200, { seed: 1, withinMs: 12_000 });
  expect(problems).toEqual([]);
  expect(kills).toBeGreaterThan(5); // how many depends on the machine
});

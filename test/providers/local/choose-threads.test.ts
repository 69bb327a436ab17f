import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { chooseThreads, countCores } from '../../../providers/local/choose-threads.ts';
import { computeNeeds, type Sizes, type TrainingNeeds } from '../../../providers/local/needs.ts';
import { local } from '../../../providers/local/index.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';

const tiny: Sizes = { layers: 2, hiddenSize: 128, heads: 2, intermediateSize: 512, vocabSize: 4096, maxPositions: 64 };
const small: Sizes = { layers: 6, hiddenSize: 384, heads: 12, intermediateSize: 1536, vocabSize: 30_522, maxPositions: 512 };

const { request } = local.training.translate({
  spec: { ...toMemoryPlan().spec, provider: 'local', model: { kind: 'folder', path: '/m' }, training: { epochs: 3 } },
  facts: toMemoryPlan().facts,
  model: { base: '/m', revision: 'r', maxLength: 512 },
  key: toMemoryPlan().key,
});

const toNeeds =
  (sizes: Sizes, rows = 2374) =>
  (threads: number): TrainingNeeds =>
    computeNeeds(request as Parameters<typeof computeNeeds>[0], sizes, {
      rows,
      validationRows: 0,
      length: { mean: 24, most: 60 },
      threads,
    });

const machine = { cores: 2, bytes: 16e9 };

test('a training gets a second thread where that saves time, and where there is a core and the memory for it', () => {
  const getNeeds = toNeeds(small);
  const { memoryBytes } = getNeeds(2);
  expect(chooseThreads({}, getNeeds, machine)).toBe(2);
  expect(chooseThreads({}, getNeeds, { ...machine, cores: 1 })).toBe(1);
  expect(chooseThreads({}, getNeeds, { ...machine, cores: 0 })).toBe(1); // more trainings at once than cores
  expect(chooseThreads({}, getNeeds, { ...machine, cores: 16 })).toBe(2); // no more were measured
  expect(chooseThreads({}, getNeeds, { ...machine, bytes: memoryBytes })).toBe(2);
  expect(chooseThreads({}, getNeeds, { ...machine, bytes: memoryBytes - 1 })).toBe(1);
  expect(chooseThreads({}, toNeeds(tiny), machine)).toBe(1); // its steps are too short
  expect(chooseThreads({}, toNeeds(small, 4), machine)).toBe(1); // it ends before the thread has helped
});

test('it gets as many as the job says', () => {
  for (const threads of [1, 3]) expect(chooseThreads({ threads }, toNeeds(small), { cores: 1, bytes: 0 })).toBe(threads);
});

test('more threads take less time and more memory', () => {
  const [one, two, three] = [1, 2, 3].map(toNeeds(small)) as [TrainingNeeds, TrainingNeeds, TrainingNeeds];
  expect(two.seconds).toBeLessThan(0.8 * one.seconds);
  expect(two.wasmBytes).toBeLessThan(one.wasmBytes);
  expect(two.memoryBytes).toBeGreaterThan(one.memoryBytes);
  expect(three.memoryBytes).toBeGreaterThan(two.memoryBytes);
});

test('trainings that run at the same time divide the cores', () => {
  const count = (jobs: string): number => countCores({ setting: (name) => (name === 'ORCHESTRATE_LOCAL_JOBS' ? jobs : null) });
  expect(count('1')).toBe(availableParallelism());
  expect(count('1000')).toBe(0);
});

import { expect, onTestFinished, test } from 'vitest';
import type { BackendName } from '../../../src/trainer/backends/index.ts';
import { getBackend, startBackend } from '../../../src/trainer/backends/index.ts';
import { closeNetwork, freeGradients, restoreWeights } from '../../../src/trainer/engine/network.ts';
import { accumulateGradients } from '../../../src/trainer/engine/train.ts';
import type { AdapterSettings } from '../../../src/trainer/protocol.ts';
import { computeAllLogits, openClassifier, type ClassifierNetwork } from '../../../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../../../src/trainer/tasks/classification/rows.ts';
import { openWorkers, type Workers, type WorkerSettings } from '../../../src/trainer/workers/index.ts';
import { createScratchFolder } from '../../scratch.ts';
import { labels } from '../tiny-classifier.ts';
import { writeSmallModel } from '../small-training.ts';

async function openSmall(adapter: AdapterSettings | null = null, backend: BackendName = 'wasm'): Promise<ClassifierNetwork> {
  const folder = createScratchFolder();
  writeSmallModel(folder);
  const network = openClassifier(await startBackend(backend), { folder, labels, seed: 1, maxLength: 8 }, adapter);
  onTestFinished(() => closeNetwork(network));
  return network;
}

async function open(network: ClassifierNetwork, settings: Partial<WorkerSettings> = {}): Promise<Workers> {
  const helpers = await openWorkers(network, { count: 1, backend: 'wasm', kernels: getBackend('wasm').findKernels(), ...settings });
  onTestFinished(async () => await helpers.close());
  return helpers;
}

/** Rows of 2 to 8 tokens that the small model has. */
const toRows = (count: number): EncodedRow[] =>
  Array.from({ length: count }, (_, i) => {
    const ids = Array.from({ length: 2 + ((3 * i) % 7) }, (_token, j) => 4 + ((i + 2 * j) % 8));
    return { ids, typeIds: ids.map(() => 0), label: i % 2 };
  });

interface Found {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

function compute(network: ClassifierNetwork, rows: readonly EncodedRow[], microBatchSize = 64): Found {
  const { loss, gradients } = accumulateGradients(network, rows, { microBatchSize, seed: 3, step: 5, memory: 'process' });
  const arrays = new Map([...gradients].map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()]));
  freeGradients(gradients);
  return { loss, gradients: arrays };
}

function expectClose(found: Found, expected: Found): void {
  expect(Math.abs(found.loss - expected.loss)).toBeLessThan(1e-6);
  expect([...found.gradients.keys()]).toEqual([...expected.gradients.keys()]);
  for (const [name, values] of expected.gradients) {
    const others = found.gradients.get(name)!;
    expect(others.length, name).toBe(values.length);
    const largest = values.reduce((most, value, i) => Math.max(most, Math.abs(value - others[i]!)), 0);
    expect(largest, name).toBeLessThan(1e-6);
  }
}

test('losses and gradients are those of one thread, dropout included, whatever the batch; and the same bits each time', async () => {
  const network = await openSmall();
  expect(network.config.hiddenDropout).toBe(0.1);
  for (const count of [1, 2]) {
    const shared = { ...network, helpers: await open(network, { count }) };
    for (const [rows, microBatchSize] of [
      [16, 16],
      [11, 4],
      [6, 1],
      [2, 2],
      [1, 1],
    ] as const) {
      // prettier-ignore
      const found = compute(shared, toRows(rows), microBatchSize);
      expectClose(found, compute(network, toRows(rows), microBatchSize));
      expect(compute(shared, toRows(rows), microBatchSize)).toEqual(found);
    }
  }
});

test.each<[string, AdapterSettings]>([
  ['low-rank matrices', { type: 'lora', rank: 2, alpha: 4, dropout: 0.2, targets: ['query', 'dense'], rankStabilized: false }],
  ['the head', { type: 'head' }],
])('%s can be trained by several threads', async (_what, adapter) => {
  const network = await openSmall(adapter);
  const found = compute({ ...network, helpers: await open(network) }, toRows(8), 3);
  expectClose(found, compute(network, toRows(8), 3));
  expect(found.gradients.size).toBe(adapter.type === 'head' ? 2 : 2 * 5 + 2);
});

test('without kernels of our own it is the same', async () => {
  const network = await openSmall(null, 'cpu');
  const helpers = await open(network, { backend: 'cpu', kernels: null });
  const [found, expected] = [{ ...network, helpers }, network].map((one) => compute(one, toRows(8), 3)) as [Found, Found];
  expect(found.gradients.size).toBe(network.parameters.size);
  expectClose(found, expected);
});

test('rows are answered with the very bits of one thread', async () => {
  const network = await openSmall();
  const helpers = await open(network, { count: 2 });
  for (const count of [0, 3, 64, 65, 500]) {
    expect(computeAllLogits({ ...network, helpers }, toRows(count))).toEqual(computeAllLogits(network, toRows(count)));
  }
});

test('workers follow the weights, also those that changed while they had nothing to do', async () => {
  const network = await openSmall();
  const shared = { ...network, helpers: await open(network) };
  const before = compute(shared, toRows(8));
  const doubled = [...network.parameters].map(([name, tensor]) => [name, tensor.dataSync<'float32'>().map((x) => 2 * x)] as const);
  restoreWeights(network, new Map(doubled));
  computeAllLogits(shared, toRows(3)); // one batch: the main thread answers it alone
  const after = compute(shared, toRows(8));
  expect(after.loss).not.toBe(before.loss);
  expectClose(after, compute(network, toRows(8)));
});

test('the failure of a worker is that of the training', async () => {
  const network = await openSmall();
  const shared = { ...network, helpers: await open(network) };
  const rows = toRows(8).map((row, i) => (i === 7 ? { ...row, ids: row.ids.map(() => 99) } : row)); // a word that the model does not have
  expect(() => compute(shared, rows)).toThrow('expected words below 12');
  expectClose(compute(shared, toRows(8)), compute(network, toRows(8))); // it goes on
});

test('a worker that ends without a word is noticed, and one that does not open too', async () => {
  const network = await openSmall();
  const helpers = await open(network, { program: new URL('./dying-worker.ts', import.meta.url) });
  expect(() => compute({ ...network, helpers }, toRows(8))).toThrow(expect.objectContaining({ code: 'out-of-memory' }));
  await expect(open(network, { program: new URL('./no-worker.ts', import.meta.url) })).rejects.toThrow('no-worker.ts');
  await expect(open(network, { backend: 'none' as BackendName })).rejects.toThrow('Cannot read properties');
});

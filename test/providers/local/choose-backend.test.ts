import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseBackend, type Workload } from '../../../providers/local/choose-backend.ts';
import { bind } from '../../../providers/local/submit.ts';
import type { LocalRequest } from '../../../providers/local/translate.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { tfjsVersion } from '../../../src/trainer/backends/index.ts';
import { createScratchFolder } from '../../scratch.ts';
import { createContexts, createSteppedClock, key } from '../stepped-context.ts';

const workload: Workload = {
  shape: { config: { layers: 2 }, rows: 16, tokens: 24, adapter: null, threads: 1 },
  steps: 1000,
  fitsDefault: true,
};

/** A context of somebody who has the package of `tensorflow`, or has not. */
function createUser(hasPackage: boolean): Attempt {
  const root = createScratchFolder();
  const folder = join(root, 'node_modules/@tensorflow/tfjs-node');
  if (hasPackage) {
    mkdirSync(join(folder, 'lib'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: tfjsVersion }));
  }
  const values = { ORCHESTRATE_TFJS: root, XDG_CACHE_HOME: join(root, 'cache') };
  return createContexts({ clock: createSteppedClock(), values }).toAttempt();
}

type Measure = NonNullable<Parameters<typeof chooseBackend>[2]>;

/** Measures that are known before; `asked` tells which ones were wanted. */
function createMeasure(milliseconds: Readonly<Record<string, number>>): { measure: Measure; asked: string[] } {
  const asked: string[] = [];
  const measure: Measure = async (id) => {
    asked.push(id);
    const known = milliseconds[id];
    if (known === undefined) return await Promise.resolve({ error: 'it broke' });
    return await Promise.resolve({ loss: 0.7, milliseconds: known, startMs: 1000, memoryBytes: 1e9, native: null });
  };
  return { measure, asked };
}

test('nobody measures where there is nothing to choose from', async () => {
  const { measure, asked } = createMeasure({});
  expect(await chooseBackend(workload, createUser(false), measure)).toEqual({ backend: 'wasm', speed: null, why: null });
  expect(asked).toEqual([]);
});

test.each([
  [{ wasm: 30, tensorflow: 10 }, 'tensorflow'],
  [{ wasm: 30, tensorflow: 45 }, 'wasm'],
  [{ wasm: 30, tensorflow: 29 }, 'wasm'], // within the noise
  [{ wasm: 30 }, 'wasm'], // the other one broke
  [{ tensorflow: 90 }, 'tensorflow'],
])('of %j it takes %s', async (milliseconds, backend) => {
  const { measure, asked } = createMeasure(milliseconds);
  const choice = await chooseBackend(workload, createUser(true), measure);
  expect(choice.backend).toBe(backend);
  for (const [id, ms] of Object.entries(milliseconds)) expect(choice.why).toContain(`${id} ${ms} ms a step`);
  expect(asked).toEqual(['wasm', 'tensorflow']);
});

test('the start of a slow starter counts: a short training is not worth it', async () => {
  const starts = { wasm: 300, tensorflow: 3000 };
  const measure: Measure = async (id) => {
    const answer = { loss: 0.7, milliseconds: id === 'wasm' ? 30 : 10, startMs: starts[id as 'wasm'], memoryBytes: 1e9, native: null };
    return await Promise.resolve(answer);
  };
  const user = createUser(true);
  expect((await chooseBackend({ ...workload, steps: 20 }, user, measure)).backend).toBe('wasm');
  expect((await chooseBackend(workload, user, measure)).backend).toBe('tensorflow');
});

test('it is measured once for a shape, and remembered; what the default backend cannot hold is not tried on it', async () => {
  const user = createUser(true);
  const { measure, asked } = createMeasure({ wasm: 30, tensorflow: 10 });
  const first = await chooseBackend(workload, user, measure);
  expect(await chooseBackend(workload, user, measure)).toEqual(first);
  expect(asked).toEqual(['wasm', 'tensorflow']);
  const larger = { ...workload, shape: { ...workload.shape, rows: 32 }, fitsDefault: false };
  expect((await chooseBackend(larger, user, measure)).backend).toBe('tensorflow');
  expect(asked).toEqual(['wasm', 'tensorflow', 'tensorflow']);
});

test('train.json names the backend that was chosen, with its threads; a run of before has the one of its request', () => {
  const request = {
    backend: 'auto',
    model: { folder: '/m', revision: 'r', labels: [], maxLength: 8 },
    training: { seed: 1 },
    name: 'a/b',
  } as unknown as LocalRequest;
  const rows = { train: 'rows/train.jsonl', validation: null };
  expect(bind(request, { ...rows, backend: 'tensorflow', backendThreads: 2 }, key, 1)).toMatchObject({
    backend: 'tensorflow',
    backendThreads: 2,
    rows,
  });
  expect(bind({ ...request, backend: 'cpu' }, rows, key, 1)).toMatchObject({ backend: 'cpu', rows });
  expect(bind({ ...request, backend: 'cpu' }, rows, key, 1)).not.toHaveProperty('backendThreads');
});

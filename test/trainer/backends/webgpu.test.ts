import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { getBackend, startBackend, tfjsVersion, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { readInOneGo } from '../../../src/trainer/backends/webgpu/read.ts';
import { createScratchFolder } from '../../scratch.ts';

/** What a device does with the buffer that is to be read. */
type Behaviour = 'maps' | 'is lost' | 'never tells';

/** A device that gives its callbacks to `setImmediate` as Dawn does: its buffers are readable after three of them. */
async function createDevice(behaviour: () => Behaviour): Promise<{ tf: TensorFlow; report(message: string): void; calls(): number }> {
  const real = await startBackend('cpu');
  let [listener, calls] = [(_event: object): void => {}, 0];
  const createBuffer = (numbers: Float32Array): object => {
    let mapState = 'unmapped';
    const look = (left: number): void => {
      calls++;
      if (left > 0) setImmediate(() => look(left - 1));
      else mapState = behaviour() === 'is lost' ? 'unmapped' : 'mapped';
    };
    return {
      size: numbers.byteLength,
      get mapState() {
        return mapState;
      },
      mapAsync: async () => {
        mapState = 'pending';
        if (behaviour() !== 'never tells') setImmediate(() => look(2));
        await Promise.resolve();
        if (behaviour() === 'is lost') throw new Error('gone');
      },
      getMappedRange: () => numbers.buffer,
      unmap: () => (mapState = 'unmapped'),
    };
  };
  const resource = createBuffer(Float32Array.of(3, 4));
  const backend = {
    device: { addEventListener: (_name: string, listen: typeof listener) => (listener = listen) },
    tensorMap: { get: (id: { values?: unknown }) => ({ values: id.values ?? null, dtype: 'float32', resource }) },
    bufferManager: { acquireBuffer: () => resource, releaseBuffer: () => {} },
    commandEncoder: { copyBufferToBuffer: () => {} },
    ensureCommandEncoderReady: () => {},
    endComputePassEncoder: () => {},
    submitQueue: () => {},
    readSync: (_id: object): unknown => undefined,
  };
  const tensor = { dataSync: () => backend.readSync({}) };
  const tf = { backend: () => backend, util: real.util, tidy: (work: () => unknown) => work(), add: () => tensor, tensor1d: () => ({}) };
  return { tf: tf as unknown as TensorFlow, report: (message) => listener({ error: { message } }), calls: () => calls };
}

function read(tf: TensorFlow, id: object = {}): unknown {
  return (tf.backend() as unknown as { readSync(id: object): unknown }).readSync(id);
}

test('numbers of a device are read while the program waits, and what it has given to setImmediate is called once', async () => {
  const { tf, calls } = await createDevice(() => 'maps');
  const before = setImmediate;
  await readInOneGo(tf);
  expect(read(tf)).toEqual(Float32Array.of(3, 4));
  expect(read(tf, { values: 'known' })).toBe('known'); // of a tensor that is not on the device yet
  expect(setImmediate).toBe(before);
  const counted = calls();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(calls()).toBe(counted);
});

test('an error of the device, its loss, and a Dawn of another kind are told by the next reading', async () => {
  let behaviour: Behaviour = 'maps';
  const { tf, report } = await createDevice(() => behaviour);
  await readInOneGo(tf);
  report('too many buffers');
  expect(() => read(tf)).toThrow('the device reports: too many buffers');
  expect(read(tf)).toEqual(Float32Array.of(3, 4));
  behaviour = 'is lost';
  expect(() => read(tf)).toThrow('the device was lost');
  behaviour = 'never tells';
  expect(() => read(tf)).toThrow('this version of the package webgpu does not tell when numbers can be read');
});

test('which of the two packages is missing is said, with the way to get both', async () => {
  const root = createScratchFolder();
  const setting = (name: string): string | null => (name === 'ORCHESTRATE_TFJS' ? root : null);
  const { check, hint } = getBackend('webgpu');
  for (const [name, version] of [
    ['@tensorflow/tfjs-backend-webgpu', tfjsVersion],
    ['webgpu', '0.6.2'],
  ] as const) {
    // prettier-ignore
    expect(check(setting)).toBe(`${name} is not installed in ${root}, which ORCHESTRATE_TFJS names`);
    mkdirSync(join(root, 'node_modules', name), { recursive: true });
    writeFileSync(join(root, 'node_modules', name, 'package.json'), JSON.stringify({ version }));
  }
  expect(check(setting)).toBeNull();
  expect(hint).toContain('webgpu @tensorflow/tfjs-backend-webgpu@4.22.0');
});

test('it computes where both packages and a device are, and says what is missing elsewhere', async () => {
  const multiply = async (): Promise<string> => {
    const tf = await startBackend('webgpu');
    const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync());
    return `${String(product)} by ${getBackend('webgpu').describe!(tf).version}`;
  };
  const isThere = getBackend('webgpu').check() === null;
  const answer = isThere ? multiply() : multiply().catch((error: unknown) => String(error));
  const expected = isThere ? /^11 by .*tfjs-backend-webgpu 4\.22\.0/ : /"webgpu" could not be started: .* is not installed/;
  expect(await answer).toMatch(expected);
}, 60_000);

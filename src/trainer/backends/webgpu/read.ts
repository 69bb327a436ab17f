/**
 * Reading numbers from a device while the program waits. WebGPU has no such call, and TensorFlow.js makes one of it with a canvas of the
 * browser; the training loop needs a few numbers in each step, and the tensors of each checkpoint.
 *
 * A buffer becomes readable when Dawn looks at what the device has done. In Node it does so in a callback that it gives to `setImmediate`,
 * which runs when this program's code has ended; here that callback is taken, and called until the buffer is readable.
 */
import type { DataType } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backend.ts';

/** Those parts of WebGPU that are used. */
interface DeviceBuffer {
  readonly size: number;
  readonly mapState: 'unmapped' | 'pending' | 'mapped';
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}

export interface Device {
  readonly adapterInfo: { readonly vendor: string; readonly architecture: string; readonly description: string };
  addEventListener(name: 'uncapturederror', listen: (event: { readonly error: { readonly message: string } }) => void): void;
}

/** Those parts of `WebGPUBackend` of TensorFlow.js 4.22.0 that are used. */
export interface DeviceBackend {
  readonly device: Device;
  readonly tensorMap: { get(dataId: object): { readonly values: unknown; readonly dtype: DataType; readonly resource: DeviceBuffer } };
  readonly bufferManager: {
    acquireBuffer(size: number, usage: number): DeviceBuffer;
    releaseBuffer(buffer: DeviceBuffer): void;
  };
  readonly commandEncoder: { copyBufferToBuffer(from: DeviceBuffer, at: number, to: DeviceBuffer, place: number, size: number): void };
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  readSync(dataId: object): unknown;
}

/** Of WebGPU: `GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ`, and `GPUMapMode.READ`. */
const [stagingUsage, readMode] = [9, 1];

/** Looks so often before it sleeps between two looks: most steps are done by then. */
const eagerLooks = 1000;
const restMs = 0.1;

/** Dawn's callbacks that were taken and not called yet: it gives no further one before that. */
const waiting = new Set<() => void>();

/**
 * Makes `dataSync` of the device's tensors work, and tries it. Errors of the device, which WebGPU tells at some later time, are thrown by
 * the next reading: what it would read is wrong.
 * @throws Error when this Dawn does not work so
 */
export async function readInOneGo(tf: TensorFlow): Promise<void> {
  const backend = tf.backend() as unknown as DeviceBackend;
  const problems: string[] = [];
  backend.device.addEventListener('uncapturederror', ({ error }) => problems.push(error.message));
  backend.readSync = (dataId) => {
    const { values, dtype, resource } = backend.tensorMap.get(dataId);
    if (values !== null && values !== undefined) return values;
    const bytes = copyFromDevice(backend, resource);
    if (problems.length > 0) throw new Error(`the device reports: ${problems.splice(0)[0]}`);
    return tf.util.convertBackendValuesAndArrayBuffer(bytes, dtype);
  };
  await new Promise((resolve) => setTimeout(resolve, 20)); // callbacks of its start are called by then
  const three = tf.tidy(() => tf.add(tf.tensor1d([1]), tf.tensor1d([2])).dataSync()[0]);
  if (three !== 3) throw new Error(`expected the device to find 1 + 2 = 3, found ${three}`);
}

function copyFromDevice(backend: DeviceBackend, source: DeviceBuffer): ArrayBuffer {
  const staging = backend.bufferManager.acquireBuffer(source.size, stagingUsage);
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  backend.submitQueue();
  waitUntilMapped(staging);
  const bytes = staging.getMappedRange().slice(0);
  staging.unmap();
  backend.bufferManager.releaseBuffer(staging);
  return bytes;
}

function waitUntilMapped(buffer: DeviceBuffer): void {
  const { setImmediate: real } = globalThis;
  const call = (callback: () => void): void => void (waiting.delete(callback) && callback());
  globalThis.setImmediate = ((callback: () => void) => {
    waiting.add(callback);
    return real(call, callback); // what is left when the buffer is readable is called as ever
  }) as typeof setImmediate;
  try {
    let failure: unknown = null;
    buffer.mapAsync(readMode).catch((error: unknown) => (failure = error)); // told when this program waits; the state is told at once
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    for (let looks = 0; buffer.mapState === 'pending'; looks++) {
      if (waiting.size === 0) throw new Error('this version of the package webgpu does not tell when numbers can be read');
      if (looks > eagerLooks) Atomics.wait(sleeper, 0, 0, restMs);
      const due = [...waiting]; // those that they give in turn are for the next look
      for (const callback of due) call(callback);
    }
    if (buffer.mapState !== 'mapped') throw new Error('the device was lost', { cause: failure });
  } finally {
    globalThis.setImmediate = real;
  }
}

/**
 * Graphics cards of any maker, by WebGPU: TensorFlow.js's kernels for it, on Dawn, the implementation of Chrome, which the npm package `webgpu`
 * brings to Node. Experimental: the user installs both packages, and `auto` never takes it.
 */
import type { Backend, TensorFlow } from '../backend.ts';
import { explainPackage, findPackage, requirePackage } from '../native/find-package.ts';
import { readInOneGo, type Device, type DeviceBackend } from './read.ts';

const id = 'webgpu';
/** Kernels, and what runs them on a device. */
const [library, dawn] = ['@tensorflow/tfjs-backend-webgpu', 'webgpu'];

interface Adapter {
  readonly info: { readonly vendor: string; readonly architecture: string; readonly description: string };
}

/** What the package `webgpu` exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => { requestAdapter(options?: object): Promise<Adapter | null> };
  readonly globals: object;
}

export const webgpu = {
  id,
  description: 'WebGPU, experimental',
  hint: 'it needs a driver for Vulkan, Metal or Direct3D 12, and two packages: `npm install webgpu @tensorflow/tfjs-backend-webgpu@4.22.0`; see docs/backends.md',
  isOptional: true,
  isExperimental: true,
  precision: 'float32',
  threads: 1,
  memory: 'device',
  assets: [],
  check: (setting) => explainPackage(library, id, setting) ?? explainPackage(dawn, id, setting),
  findKernels: () => null,
  async load() {
    const [kernels, runtime] = [findPackage(library, id), findPackage(dawn, id)];
    if (kernels === null || runtime === null) return null;
    if (!('gpu' in navigator)) {
      const { create, globals } = requirePackage(runtime) as Dawn;
      const gpu = create([]);
      if ((await gpu.requestAdapter()) === null) return null;
      Object.assign(globalThis, globals);
      Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
    }
    const { startTfjs } = await import('../tfjs.ts');
    const tf = await startTfjs(id, () => void requirePackage(kernels));
    if (tf) await readInOneGo(tf);
    return tf;
  },
  describe(tf) {
    const { vendor, architecture, description } = getDevice(tf).adapterInfo;
    const [kernels, runtime] = [findPackage(library, id), findPackage(dawn, id)];
    const isSoftware = /swiftshader|llvmpipe|lavapipe|warp/i.test(`${architecture} ${description}`);
    return {
      device: isSoftware ? 'CPU' : 'GPU',
      warning: isSoftware ? `${id} sees no GPU here: ${description} computes on the CPU` : null,
      version: `${[vendor, architecture, description].filter((part) => part !== '').join(' ')}, ${library} ${kernels?.version}, ${dawn} ${runtime?.version}`,
      folder: kernels?.folder ?? '',
    };
  },
} as const satisfies Backend;

function getDevice(tf: TensorFlow): Device {
  return (tf.backend() as unknown as DeviceBackend).device;
}

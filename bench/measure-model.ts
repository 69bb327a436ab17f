/*
 * node bench/measure-model.ts '{"config": …, "rows": 16, "tokens": 32, "steps": 3}': training steps of one shape in a process of its own, so
 * that its memory is that of the shape. Prints one line of JSON: ModelMeasures.
 */
import { addAdapter } from '../src/trainer/adapters/index.ts';
import { startBackend, type TensorFlow } from '../src/trainer/backends/index.ts';
import { createAdamW } from '../src/trainer/engine/adamw.ts';
import { computeAndFree } from '../src/trainer/engine/network.ts';
import { createOps } from '../src/trainer/engine/ops.ts';
import { adamWDefaults } from '../src/trainer/engine/optimizer.ts';
import { takeStep } from '../src/trainer/engine/train.ts';
import type { ModelConfig } from '../src/trainer/families/index.ts';
import { computeLogits } from '../src/trainer/tasks/classification/classifier.ts';
import type { AdapterSettings } from '../src/trainer/protocol.ts';
import { listParameters } from '../src/trainer/tasks/classification/head.ts';
import { createNetwork, createRows } from './shapes.ts';

export interface ModelTask {
  readonly config: ModelConfig;
  readonly rows: number;
  readonly tokens: number;
  readonly steps: number;
  /** What is trained; absent: all parameters. */
  readonly adapter?: AdapterSettings;
}

export interface ModelMeasures {
  /** The fastest step, and the fastest forward pass, in milliseconds of one processor: what else runs on the machine counts little. */
  readonly step: number;
  readonly forward: number;
  /** Mean of the second half of the steps, in processor time of all threads of the process. */
  readonly meanStep: number;
  /** Most bytes of tensors at one time, the whole memory of WebAssembly, and the most of the process. */
  readonly tensorBytes: number;
  readonly wasmBytes: number;
  readonly processBytes: number;
}

interface Wasm {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(place: number): void;
}

/** Counts what the backend asks for; what its kernels keep for themselves is not seen. */
function watchTensors(wasm: Wasm): { getPeak(): number } {
  const sizes = new Map<number, number>();
  wasm._free(wasm._malloc(8)); // the first calls put the real functions in their own places
  const { _malloc: malloc, _free: free } = wasm;
  let [used, peak] = [0, 0];
  wasm._malloc = (bytes) => {
    const place = malloc(bytes);
    sizes.set(place, bytes);
    peak = Math.max(peak, (used += bytes));
    return place;
  };
  wasm._free = (place) => {
    used -= sizes.get(place) ?? 0;
    sizes.delete(place);
    free(place);
  };
  return { getPeak: () => peak };
}

async function measure({ config, rows, tokens, steps, adapter }: ModelTask): Promise<ModelMeasures> {
  const tf: TensorFlow = await startBackend('wasm');
  const { wasm } = tf.backend() as unknown as { readonly wasm: Wasm };
  const watched = watchTensors(wasm);
  const whole = createNetwork(tf, config, createOps(tf));
  const model = { config, specs: listParameters(config, whole.labels.length), parameters: whole.parameters, drawn: [] };
  const network = { ...whole, ...addAdapter(tf, model, { settings: adapter ?? null, folder: null, seed: 1 }) };
  for (const tensor of network.parameters.values()) tf.keep(tensor);
  const texts = createRows(config, { rows, tokens });
  const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.01 }, 'process');
  const time = (work: () => unknown): number => {
    const began = process.threadCpuUsage();
    work();
    const { user, system } = process.threadCpuUsage(began);
    return (user + system) / 1000;
  };
  const settings = { optimizer, microBatchSize: rows, maxGradNorm: 1, seed: 1, learningRate: 1e-5 };
  const half = Math.ceil(steps / 2);
  let began = process.cpuUsage();
  const times = Array.from({ length: steps + 1 }, (_, step) => {
    if (step === steps + 1 - half) began = process.cpuUsage();
    return time(() => takeStep(network, texts, { ...settings, step }));
  });
  const { user, system } = process.cpuUsage(began);
  const forwards = Array.from({ length: steps }, () =>
    time(() => computeAndFree(tf, () => computeLogits(network, texts, null).arraySync())),
  );
  return {
    step: Math.min(...times.slice(1)), // the first one prepares
    meanStep: (user + system) / 1000 / half,
    forward: Math.min(...forwards),
    tensorBytes: watched.getPeak(),
    wasmBytes: wasm.HEAPU8.byteLength,
    processBytes: process.resourceUsage().maxRSS * 1024,
  };
}

if (import.meta.main) console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as ModelTask)));

/** A training step with one thread and with two: time that passes, and time of all processors. */
import { loadavg } from 'node:os';
import { defaultBackend, getBackend, startBackend, type TensorFlow } from '../src/trainer/backends/index.ts';
import { createAdamW } from '../src/trainer/engine/adamw.ts';
import { closeNetwork } from '../src/trainer/engine/network.ts';
import { createOps } from '../src/trainer/engine/ops.ts';
import { adamWDefaults } from '../src/trainer/engine/optimizer.ts';
import { takeStep } from '../src/trainer/engine/train.ts';
import type { ModelConfig } from '../src/trainer/families/index.ts';
import { openWorkers } from '../src/trainer/workers/index.ts';
import { interleave, type Sample } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import { batchSize, createNetwork, createRows, shapes, tokens } from './shapes.ts';

export async function measureThreads(): Promise<string> {
  const tf = await startBackend(defaultBackend);
  const load = loadavg()[0]!.toFixed(1);
  const rows = [['model', 'measure', 'one thread, ms', 'two threads, ms', 'two / one']];
  for (const [name, config] of Object.entries(shapes)) {
    const [one, two] = [await openStep(tf, config, 1), await openStep(tf, config, 2)];
    const found = await interleave(
      { one: one.step, two: two.step },
      config.layers > 2 ? { warmUps: 2, rounds: 9 } : { warmUps: 5, rounds: 41 },
    );
    for (const measure of ['wall', 'processors']) {
      const [alone, shared] = [found.one[measure]!, found.two[measure]!];
      rows.push([name, measure, toSpread(alone), toSpread(shared), toRatio(shared, alone)]);
    }
    for (const { close } of [one, two]) await close();
  }
  return `One step on ${defaultBackend}, batch ${batchSize} x ${tokens} tokens, all parameters, dropout 0.1; load ${load} at the start.\n\n${toTable(rows)}`;
}

async function openStep(tf: TensorFlow, config: ModelConfig, threads: number): Promise<{ step(): Sample; close(): Promise<void> }> {
  const own = createNetwork(tf, config, createOps(tf));
  const kernels = getBackend(defaultBackend).findKernels();
  const helpers = threads > 1 ? await openWorkers(own, { count: threads - 1, backend: defaultBackend, kernels }) : undefined;
  const network = { ...own, helpers };
  const texts = createRows(config);
  const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.01 }, getBackend(defaultBackend).memory);
  let step = 0;
  return {
    step() {
      const [began, used] = [performance.now(), process.cpuUsage()];
      takeStep(network, texts, { optimizer, microBatchSize: batchSize, maxGradNorm: 1, seed: 1, learningRate: 5e-5, step: step++ });
      const { user, system } = process.cpuUsage(used);
      return { wall: performance.now() - began, processors: (user + system) / 1000 };
    },
    async close() {
      await helpers?.close();
      closeNetwork(own);
    },
  };
}

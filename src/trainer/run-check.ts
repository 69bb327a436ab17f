import { toNormals, toStreamKey } from '../lib/random.ts';
import { getBackend, startBackend, type BackendName, type TensorFlow } from './backends/index.ts';
import { addAdapter } from './adapters/index.ts';
import { createAdamW } from './engine/adamw.ts';
import { closeNetwork, createParameter } from './engine/network.ts';
import { createOps } from './engine/ops.ts';
import { adamWDefaults } from './engine/optimizer.ts';
import type { ParameterSpec } from './engine/parameters.ts';
import { takeStep } from './engine/train.ts';
import { getFamily, type ModelConfig } from './families/index.ts';
import type { CheckAnswer, CheckShape } from './check-protocol.ts';
import { classification, type ClassifierNetwork } from './tasks/classification/classifier.ts';
import { listHead, listParameters } from './tasks/classification/head.ts';
import type { EncodedRow } from './tasks/classification/rows.ts';
import { openWorkers } from './workers/index.ts';

const small: CheckShape = {
  config: {
    ...getFamily({ family: 'bert' }).parseConfig(
      {
        vocab_size: 16,
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 64,
        max_position_embeddings: 8,
      },
      'the small network of the check',
    ),
  },
  rows: 4,
  tokens: 3,
  adapter: null,
  threads: 1,
};

/** Steps before the first one that is measured: they prepare. Then at least so many, and for so long. */
const [warmUps, leastSteps, leastMs] = [2, 3, 1500];

/** Training steps of a random network: proves that a backend computes forward, backward and the update, and tells how long they take. */
export async function runCheck(backend: BackendName, shape: CheckShape = small): Promise<CheckAnswer> {
  const kernels = getBackend(backend).findKernels();
  const own = createNetwork(await startBackend(backend, kernels), shape);
  const others = getBackend(backend).threads > 1 ? 0 : shape.threads - 1;
  const helpers = others === 0 ? undefined : await openWorkers(own, { count: others, backend, kernels });
  const network = { ...own, helpers };
  const { tf } = network;
  const startMs = performance.now(); // the clock begins with the process
  const rows = createRows(network.config, shape);
  const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.01 }, getBackend(backend).memory);
  const settings = { optimizer, microBatchSize: rows.length, maxGradNorm: 1, seed: 1, learningRate: 1e-3 };
  const measured: number[] = [];
  let loss = Number.NaN;
  for (let step = 0, spent = 0; step < warmUps + leastSteps || (shape !== small && spent < leastMs); step++) {
    const began = performance.now();
    ({ loss } = takeStep(network, rows, { ...settings, step }));
    if (step < warmUps) continue;
    measured.push(performance.now() - began);
    spent += measured.at(-1)!;
  }
  const native = getBackend(backend).describe?.(tf) ?? null;
  await helpers?.close();
  closeNetwork(network);
  const milliseconds = measured.sort((a, b) => a - b)[measured.length >> 1]!;
  return { loss, milliseconds, startMs, memoryBytes: 1024 * process.resourceUsage().maxRSS, native };
}

function createNetwork(tf: TensorFlow, { config: sizes, adapter }: CheckShape): ClassifierNetwork {
  const config = sizes as unknown as ModelConfig;
  const labels = ['a', 'b'];
  const drawn = listHead(config, labels.length).map(({ name }) => name);
  const specs = listParameters(config, labels.length);
  const draw = ({ name, shape }: ParameterSpec): Float32Array =>
    toNormals(
      toStreamKey(1, name),
      shape.reduce((product, count) => product * count, 1),
      0.1,
    );
  const parameters = new Map(specs.map((spec) => [spec.name, tf.keep(createParameter(tf, spec, draw(spec)))]));
  const { isTrainable, lowRank } = addAdapter(tf, { config, specs, parameters, drawn }, { settings: adapter, folder: null, seed: 1 });
  for (const tensor of parameters.values()) tf.keep(tensor);
  return { tf, ops: createOps(tf), config, task: classification, labels, parameters, isTrainable, lowRank };
}

/** Rows without meaning, all of one length. */
function createRows({ vocabSize, maxPositions }: ModelConfig, { rows, tokens }: CheckShape): EncodedRow[] {
  const length = Math.min(tokens, maxPositions);
  return Array.from({ length: rows }, (_, row) => {
    const ids = Array.from({ length }, (_word, i) => (1 + row + 7 * i) % vocabSize);
    return { ids, typeIds: ids.map(() => 0), label: row % 2 };
  });
}

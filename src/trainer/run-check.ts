import { toNormals, toStreamKey } from '../lib/random.ts';
import { getBackend, startBackend, type BackendName, type TensorFlow } from './backends/index.ts';
import { createAdamW } from './engine/adamw.ts';
import { closeNetwork, createParameter } from './engine/network.ts';
import { createOps } from './engine/ops.ts';
import { adamWDefaults } from './engine/optimizer.ts';
import { takeStep } from './engine/train.ts';
import { families, type ModelConfig } from './families/index.ts';
import type { CheckAnswer, CheckShape } from './check-protocol.ts';
import { classification, type ClassifierNetwork } from './tasks/classification/classifier.ts';
import { listHead, listParameters } from './tasks/classification/head.ts';
import type { EncodedRow } from './tasks/classification/rows.ts';

const small: CheckShape = {
  config: {
    ...families.bert.parseConfig(
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
  isHeadOnly: false,
};

/** Steps before the first one that is measured: they prepare. Then at least so many, and for so long. */
const [warmUps, leastSteps, leastMs] = [2, 3, 1500];

/** Training steps of a random network: proves that a backend computes forward, backward and the update, and tells how long they take. */
export async function runCheck(backend: BackendName, shape: CheckShape = small): Promise<CheckAnswer> {
  const tf = await startBackend(backend);
  const startMs = performance.now(); // the clock begins with the process
  const network = createNetwork(tf, shape);
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
  closeNetwork(network);
  const milliseconds = measured.sort((a, b) => a - b)[measured.length >> 1]!;
  return { loss, milliseconds, startMs, memoryBytes: 1024 * process.resourceUsage().maxRSS, native };
}

function createNetwork(tf: TensorFlow, { config: sizes, isHeadOnly }: CheckShape): ClassifierNetwork {
  const config = sizes as unknown as ModelConfig;
  const labels = ['a', 'b'];
  const head = listHead(config, labels.length).map(({ name }) => name);
  const parameters = listParameters(config, labels.length).map((spec) => {
    const size = spec.shape.reduce((product, count) => product * count, 1);
    return [spec.name, tf.keep(createParameter(tf, spec, toNormals(toStreamKey(1, spec.name), size, 0.1)))] as const;
  });
  return {
    tf,
    ops: createOps(tf),
    config,
    task: classification,
    labels,
    parameters: new Map(parameters),
    isTrainable: (name) => !isHeadOnly || head.includes(name),
  };
}

/** Rows without meaning, all of one length. */
function createRows({ vocabSize, maxPositions }: ModelConfig, { rows, tokens }: CheckShape): EncodedRow[] {
  const length = Math.min(tokens, maxPositions);
  return Array.from({ length: rows }, (_, row) => {
    const ids = Array.from({ length }, (_word, i) => (1 + row + 7 * i) % vocabSize);
    return { ids, typeIds: ids.map(() => 0), label: row % 2 };
  });
}

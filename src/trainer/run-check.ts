import { toNormals, toStreamKey } from '../lib/random.ts';
import { getBackend, startBackend, type BackendName } from './backends/index.ts';
import { createAdamW } from './engine/adamw.ts';
import { closeNetwork, createParameter } from './engine/network.ts';
import { createOps } from './engine/ops.ts';
import { adamWDefaults } from './engine/optimizer.ts';
import { takeStep } from './engine/train.ts';
import { families } from './families/index.ts';
import type { CheckAnswer } from './protocol.ts';
import { classification, type ClassifierNetwork } from './tasks/classification/classifier.ts';
import { listParameters } from './tasks/classification/head.ts';

const config = families.bert.parseConfig(
  {
    vocab_size: 16,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 64,
    max_position_embeddings: 8,
  },
  'the small network of the check',
);

/** Two training steps of a small random network: proves that a backend computes forward, backward and the update. */
export async function runCheck(backend: BackendName): Promise<CheckAnswer> {
  const tf = await startBackend(backend);
  const labels = ['a', 'b'];
  const parameters = listParameters(config, labels.length).map((spec) => {
    const size = spec.shape.reduce((product, count) => product * count, 1);
    return [spec.name, tf.keep(createParameter(tf, spec, toNormals(toStreamKey(1, spec.name), size, 0.1)))] as const;
  });
  const network: ClassifierNetwork = {
    tf,
    ops: createOps(tf),
    config,
    task: classification,
    labels,
    parameters: new Map(parameters),
    isTrainable: () => true,
  };
  const rows = [1, 2, 3, 4].map((id) => ({ ids: [id, id + 1, id + 2], typeIds: [0, 0, 0], label: id % 2 }));
  const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.01 }, getBackend(backend).memory);
  const settings = { optimizer, microBatchSize: 4, maxGradNorm: 1, seed: 1, learningRate: 1e-3 };
  takeStep(network, rows, { ...settings, step: 0 });
  const began = performance.now();
  const { loss } = takeStep(network, rows, { ...settings, step: 1 });
  const milliseconds = performance.now() - began;
  closeNetwork(network);
  return { loss, milliseconds };
}

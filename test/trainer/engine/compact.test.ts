/** Rows without padding beside padded ones: the same numbers, bit by bit on the kernels, and those of the cpu backend but for rounding. */
import { expect, test } from 'vitest';
import { toNormals, toStreamKey, toUniform } from '../../../src/lib/random.ts';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { buildCompactBatch } from '../../../src/trainer/engine/batches.ts';
import { closeNetwork, computeAndFree, computeGradients, createParameter, freeGradients } from '../../../src/trainer/engine/network.ts';
import { createDropout, createOps } from '../../../src/trainer/engine/ops.ts';
import { getFamily, type ModelConfig } from '../../../src/trainer/families/index.ts';
import { kernelVariants, type KernelVariant } from '../../../src/trainer/kernels/index.ts';
import { classification, computeLogits, type ClassifierNetwork } from '../../../src/trainer/tasks/classification/classifier.ts';
import { listParameters } from '../../../src/trainer/tasks/classification/head.ts';

const labels = ['a', 'b', 'c'];

const hasTypes = (family: string): boolean => family === 'bert' || family === 'electra';

function drawConfig(
  family: string,
  size: (most: number) => number,
): ModelConfig & { readonly types: number; readonly embeddingSize: number } {
  const heads = size(3);
  const dropout = { hiddenDropout: 0.2, attentionDropout: 0.3, classifierDropout: 0.1 };
  return {
    family,
    vocabSize: 4 + size(9),
    hiddenSize: 2 * heads * size(4),
    layers: size(3),
    heads,
    intermediateSize: size(20),
    maxPositions: 22,
    typeVocabSize: hasTypes(family) ? 2 : 0,
    types: 1,
    embeddingSize: size(12),
    layerNormEpsilon: 1e-5,
    ...dropout,
    initializerRange: 0.02,
    padTokenId: 0,
  };
}

function createNetwork(tf: TensorFlow, config: ModelConfig, { takesCompact }: { takesCompact: boolean }): ClassifierNetwork {
  const parameters = listParameters(config, labels.length).map((spec) => {
    const size = spec.shape.reduce((product, count) => product * count, 1);
    return [spec.name, tf.keep(createParameter(tf, spec, toNormals(toStreamKey(1, spec.name), size, 0.4)))] as const;
  });
  const ops = { ...createOps(tf), takesCompact };
  return { tf, ops, config, task: classification, labels, parameters: new Map(parameters), isTrainable: () => true };
}

type Row = Parameters<typeof computeLogits>[1][number];

/** Loss, gradients, and the logits without dropout. */
function compute(tf: TensorFlow, config: ModelConfig, { rows, takesCompact }: { rows: readonly Row[]; takesCompact: boolean }) {
  const network = createNetwork(tf, config, { takesCompact });
  const next = createDropout({ seed: 3, step: 5, microBatch: 0 });
  const { lossSum, gradients } = computeGradients(network, rows, { rows: rows.length, next });
  const values = [...gradients].map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()] as const);
  const logits = computeAndFree(tf, () => computeLogits(network, rows, null).dataSync<'float32'>().slice());
  freeGradients(gradients);
  closeNetwork(network);
  return new Map([['loss', Float32Array.of(lossSum)], ['logits', logits], ...values]);
}

const variants = Object.keys(kernelVariants) as KernelVariant[];
const cases = variants.flatMap((variant) => ['bert', 'distilbert', 'electra', 'roberta'].map((family) => [variant, family] as const));

test.each(cases)('with %s: %s', async (variant, family) => {
  expect(getFamily({ family }).takesCompact).toBe(true);
  for (let round = 0; round < 8; round++) {
    let drawn = 0;
    const key = toStreamKey(family, round);
    const size = (most: number): number => 1 + Math.floor(most * toUniform(key, drawn++));
    const config = drawConfig(family, size);
    const longest = round === 0 ? 1 : 22; // texts of one token each are the least that there can be
    const rows = Array.from({ length: size(6) }, () => {
      const ids = Array.from({ length: size(longest) }, () => size(config.vocabSize) - 1);
      return { ids, typeIds: ids.map(() => (hasTypes(family) ? size(2) - 1 : 0)), label: size(3) - 1 };
    });
    const cpu = await startBackend('cpu');
    const expected = compute(cpu, config, { rows, takesCompact: false });
    const tf = await startBackend('wasm', variant);
    const before = tf.memory().numTensors;
    const padded = compute(tf, config, { rows, takesCompact: false });
    const found = compute(tf, config, { rows, takesCompact: true });
    expect(tf.memory().numTensors).toBe(before);
    for (const [name, values] of found) {
      expect(values, `${name} of round ${round}`).toEqual(padded.get(name)!.map((x) => x + 0)); // -0 and 0 are one number
      const other = expected.get(name)!;
      const scale = other.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      for (const [i, x] of values.entries()) expect(Math.abs(x - other[i]!) / scale, `${name} of round ${round}`).toBeLessThan(2e-5);
    }
  }
});

test('a batch without padding says where its tokens are; where each text has one token, it is padded', async () => {
  const tf = await startBackend('cpu');
  const sizes = { padTokenId: 0, typeVocabSize: 2, maxPositions: 9 };
  const rows = [[1, 2, 3], [4], [5, 6, 7, 8, 9]].map((ids) => ({ ids, typeIds: ids.map((id) => id % 2) }));
  const batch = buildCompactBatch(tf, rows, sizes);
  expect(batch.sizes).toEqual({ texts: 3, positions: 8 });
  expect([...batch.ids.dataSync()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([...batch.typeIds.dataSync()]).toEqual([1, 0, 1, 0, 1, 0, 1, 0, 1]);
  expect([...batch.compact!.places.dataSync()]).toEqual([0, 1, 2, 8, 16, 17, 18, 19, 20]);
  expect([...batch.compact!.starts.dataSync()]).toEqual([0, 3, 4, 9]);
  expect(batch.compact!.pairs).toBe(9 + 1 + 25);
  const one = buildCompactBatch(tf, [rows[1]!, rows[1]!], sizes);
  expect([one.compact, one.ids.shape]).toEqual([null, [8]]);
});

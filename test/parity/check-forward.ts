/** A forward pass: tokens, hidden states of every position, pooled first token, logits, probabilities. */
import { join } from 'node:path';
import type { Rank, Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { closeNetwork, computeAndFree } from '../../src/trainer/engine/network.ts';
import { type OpenNetwork, computeLogits, toProbabilities } from '../../src/trainer/tasks/classification/classifier.ts';
import type { Ops } from '../../src/trainer/engine/ops.ts';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';
import { readTensors } from '../trainer/read-tensors.ts';
import { toCheck, toEqualCheck, type Check } from './check.ts';
import { BatchShape, openReference, toLargestDifference, toRows } from './reference.ts';

const matrix = z.array(z.array(z.number()));
export const ForwardFile = BatchShape.extend({
  model: z.string(),
  /** The model folder whose tokenizer it is; absent: the model's own. */
  tokenizer: z.string().optional(),
  head: z.string(),
  labels: z.array(z.string()).min(2),
  texts: z.array(z.string()),
  max_length: z.int().min(2),
  first_token: matrix,
  mean: matrix,
  pooled: matrix,
  logits: matrix,
  probabilities: matrix,
  hidden_states: z.string(),
  noise: z.record(z.string(), z.number()).default({}),
});

const tolerance = 1e-5;

export function checkForward(
  tf: TensorFlow,
  file: z.infer<typeof ForwardFile>,
  { folder, name, model, tokenizer }: { folder: string; name: string; model: string; tokenizer: string | null },
): Check[] {
  const classifier = openReference(tf, { ...file, model, head: join(folder, file.head) });
  const rows = toRows({ ...file, labels: null });
  const encoded = tokenizer === null ? null : encodeTexts(tokenizer, file);

  const found = computeAndFree(tf, () => {
    const whole = record(classifier, { takesCompact: false, firstToken: (x) => x }); // the last layer computes every position
    computeLogits(whole.network, rows, null);
    const shape: [number, number, number] = [rows.length, whole.norms[0]!.shape[0] / rows.length, classifier.config.hiddenSize];
    // The embeddings are normalised once, each layer twice: its last one is its output.
    const states = whole.norms.filter((_, i) => i % 2 === 0).map((state) => tf.reshape<Rank.R3>(state, shape).arraySync());
    const usual = record(classifier, {});
    const logits = computeLogits(usual.network, rows, null).arraySync();
    return { states, logits, pooled: usual.pooled[0]!.arraySync() };
  });
  closeNetwork(classifier);

  const last = found.states.at(-1)!;
  const means = rows.map(({ ids }, i) => last[i]![0]!.map((_, h) => ids.reduce((sum, _id, s) => sum + last[i]![s]![h]!, 0) / ids.length));
  const toMatrixCheck = (what: string, ours: number[][], theirs: number[][]): Check =>
    toCheck(
      `${name}: ${what}, largest difference`,
      toLargestDifference(ours.flat(), theirs.flat()),
      0,
      Math.max(tolerance, 20 * (file.noise[what] ?? 0)),
    );

  const stored = readTensors(join(folder, file.hidden_states));
  const states = [...stored].filter(([key]) => /^hidden_states\.\d+$/.test(key));
  return [
    ...(encoded === null
      ? []
      : [
          toEqualCheck(
            `${name}: input_ids`,
            encoded,
            rows.map((row) => row.ids),
          ),
        ]),
    toEqualCheck(`${name}: number of hidden states`, found.states.length, states.length),
    ...states.map(([key, { shape, data }]) => {
      const state = found.states[Number(key.split('.')[1])] ?? [];
      const [, S = 0, H = 0] = shape;
      const real = rows.flatMap(({ ids }, i) =>
        ids.flatMap((_, s) => [...(data ?? new Float32Array()).subarray((i * S + s) * H, (i * S + s + 1) * H)]),
      );
      const ours = rows.flatMap(({ ids }, i) => ids.flatMap((_, s) => state[i]?.[s] ?? []));
      return toCheck(`${name}: ${key}, largest difference`, toLargestDifference(ours, real), 0, tolerance);
    }),
    toMatrixCheck(
      'first_token',
      last.map((row) => row[0]!),
      file.first_token,
    ),
    toMatrixCheck('mean', means, file.mean),
    toMatrixCheck('pooled', found.pooled, file.pooled),
    toMatrixCheck('logits', found.logits, file.logits),
    toMatrixCheck('probabilities', found.logits.map(toProbabilities), file.probabilities),
  ];
}

function encodeTexts(tokenizer: string, { texts, max_length: maxLength }: z.infer<typeof ForwardFile>): (readonly number[])[] {
  const { encode } = readTokenizer(tokenizer);
  return texts.map((text) => encode(text, undefined, maxLength).ids);
}

/** The network with other operations, and all that its norms and its pooler, or what a family has in its place, gave. */
function record(
  { ops, ...network }: OpenNetwork,
  changed: Partial<Ops>,
): { readonly network: OpenNetwork; readonly norms: readonly Tensor2D[]; readonly pooled: readonly Tensor2D[] } {
  const norms: Tensor2D[] = [];
  const pooled: Tensor2D[] = [];
  const keep = (list: Tensor2D[], tensor: Tensor2D): Tensor2D => {
    list.push(tensor);
    return tensor;
  };
  const recording: Ops = {
    ...ops,
    ...changed,
    layerNorm: (...args) => keep(norms, ops.layerNorm(...args)),
    tanh: (x) => keep(pooled, ops.tanh(x)),
    relu: (x) => keep(pooled, ops.relu(x)),
  };
  return { network: { ...network, ops: recording }, norms, pooled };
}

/** A model that gives each text one of a set of labels: opened from a folder, and what it computes. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { Failure } from '../../../errors.ts';
import { toNormals, toStreamKey } from '../../../lib/random.ts';
import { computeAndFree, type TensorFlow } from '../../backends/index.ts';
import { buildBatch, sortIntoBatches, type Batch, type EncodedRow, type Encoder } from '../../engine/batches.ts';
import { families, type ModelConfig } from '../../families/index.ts';
import { readModelFolder } from '../../model-folder.ts';
import { findParameters, type ParameterRules, type Parameters, type ParameterSpec } from '../../engine/parameters.ts';
import { readTensor, type SafetensorsIndex } from '../../safetensors.ts';
import { readTokenizer } from '../../tokenizer.ts';
import { createOps, type NextDropout, type Ops } from '../../engine/ops.ts';
import type { ClassifierSource } from '../../protocol.ts';

/** What computes: token numbers in, one of `labels` out. */
export interface Network {
  readonly tf: TensorFlow;
  readonly ops: Ops;
  readonly config: ModelConfig;
  readonly labels: readonly string[];
  readonly parameters: Parameters;
}

/** A network with all that is needed to run, to train and to save it. */
export interface Classifier extends Network, Encoder {
  readonly config: ModelConfig;
  readonly specs: readonly ParameterSpec[];
  /** Identifies the content of the folder that it was opened from. */
  readonly revision: string;
  /** Parameters beside the head that the folder does not have: they were drawn from the seed. */
  readonly drawn: readonly string[];
}

/**
 * Reads a model folder as a classifier: with its own head where that is for the same labels, else with a new one drawn from the seed.
 *
 * @throws Failure `file-missing`, `model-invalid`, or `configuration-invalid` when there are fewer than two labels
 */
export function openClassifier(tf: TensorFlow, source: ClassifierSource): Classifier {
  const { labels } = source;
  if (labels.length < 2 || new Set(labels).size !== labels.length) {
    throw new Failure('configuration-invalid', `expected at least two different labels, found ${JSON.stringify(labels)}`);
  }
  const { config, weights, maxPositions, ...folder } = readModelFolder(source.folder);
  const family = families[config.family];
  const specs = family.listParameters(config, labels.length);
  const head = specs.filter(({ name }) => name.startsWith('classifier.'));
  const own = folder.labels && isSameSet(folder.labels, labels) ? folder.labels : null;
  const parameters = readParameters(tf, weights, family.getRules(config, own ? labels.length : null));
  if (own) orderHead(tf, parameters, { head, own, labels });
  const missing = specs.filter(({ name }) => !parameters.has(name));
  drawParameters(tf, parameters, { specs: missing, seed: source.seed, deviation: config.initializerRange });
  for (const tensor of parameters.values()) tf.keep(tensor);
  return {
    tf,
    ops: createOps(tf),
    config,
    labels,
    specs,
    parameters,
    tokenizer: readTokenizer(source.folder),
    maxLength: Math.min(source.maxLength, maxPositions),
    revision: folder.revision,
    drawn: folder.drawn,
  };
}

/** Frees the tensors. */
export function closeClassifier({ parameters }: Network): void {
  for (const tensor of parameters.values()) tensor.dispose();
  parameters.clear();
}

/** Rows as one padded batch for this model. */
export function buildModelBatch({ tf, config, labels }: Network, rows: readonly EncodedRow[]): Batch {
  return buildBatch(tf, rows, { classes: labels.length, ...config });
}

/** Logits of each text, [B, C]; `next` gives each place its dropout, null computes without. */
export function computeLogits(network: Network, batch: Batch, next: NextDropout | null): Tensor2D {
  return families[network.config.family].computeLogits(network, batch, next);
}

/** Sum of the cross-entropies, the gradients of that sum divided by `rows`, by name and in the layout of the computation. */
export interface Gradients {
  readonly lossSum: number;
  readonly gradients: Map<string, Float32Array>;
}

/** Forward and backward pass over a micro-batch; `rows` is the size of the whole batch that it is a part of. */
export function computeGradients(
  network: Network,
  batch: readonly EncodedRow[],
  { rows, next }: { rows: number; next: NextDropout | null },
): Gradients {
  const { tf, ops, parameters } = network;
  return computeAndFree(tf, () => {
    const inputs = buildModelBatch(network, batch);
    const computeLoss = (): Tensor => ops.crossEntropy(computeLogits(network, inputs, next), inputs.labels).sum;
    const { value, grads } = tf.valueAndGrads(computeLoss)([...parameters.values()], tf.scalar(1 / rows));
    const names = [...parameters.keys()];
    return { lossSum: value.dataSync()[0]!, gradients: new Map(grads.map((gradient, i) => [names[i]!, gradient.dataSync<'float32'>()])) };
  });
}

const rowsPerBatch = 64;

/** Logits of every row, in the order of the rows: [rows][classes]. */
export function computeAllLogits(network: Network, rows: readonly EncodedRow[]): number[][] {
  const logits: number[][] = new Array<number[]>(rows.length);
  const lengths = rows.map((row) => row.ids.length);
  for (const batch of sortIntoBatches(lengths, rowsPerBatch)) {
    const texts = batch.map((i) => rows[i]!);
    const found = computeAndFree(network.tf, () => computeLogits(network, buildModelBatch(network, texts), null).arraySync());
    for (const [position, i] of batch.entries()) logits[i] = found[position]!;
  }
  return logits;
}

/** Softmax in double precision. */
export function toProbabilities(logits: readonly number[]): number[] {
  const logSum = toLogSum(logits);
  return logits.map((logit) => Math.exp(logit - logSum));
}

/** `log Σ exp(x)`, computed from the largest so that nothing overflows. */
export function toLogSum(logits: readonly number[]): number {
  const most = Math.max(...logits);
  return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
}

/** A copy of all parameters, in the layout of the computation. */
export type WeightsSnapshot = ReadonlyMap<string, Float32Array>;

export function copyWeights({ parameters }: Network): WeightsSnapshot {
  return new Map([...parameters].map(([name, tensor]) => [name, tensor.dataSync<'float32'>().slice()]));
}

/** Puts the copy in the place of the present parameters. */
export function restoreWeights({ tf, parameters }: Network, weights: WeightsSnapshot): void {
  for (const [name, values] of weights) {
    const present = parameters.get(name)!;
    parameters.set(name, tf.keep(tf.tensor(values, present.shape)));
    present.dispose();
  }
}

/**
 * The parameters that `rules` lists, from weight files, widened to float32. Names, shapes and types are checked before the first
 * tensor is read.
 */
function readParameters(tf: TensorFlow, weights: readonly SafetensorsIndex[], rules: ParameterRules): Parameters {
  const found = findParameters(weights, rules);
  return new Map(
    rules.specs.flatMap((spec) => {
      const place = found.get(spec.name);
      return place === undefined ? [] : [[spec.name, createParameter(tf, spec, readTensor(place.index, place.stored))]];
    }),
  );
}

/** A tensor in the layout of the computation from numbers in the layout of the weight file. */
export function createParameter(tf: TensorFlow, { shape, isLinear }: ParameterSpec, data: Float32Array): Tensor {
  return tf.tidy(() => (isLinear ? tf.transpose(tf.tensor2d(data, [shape[0]!, shape[1]!])) : tf.tensor(data, [...shape])));
}

/** Numbers of a parameter, or of its gradient, in the layout of the weight file, copied. */
export function copyToStoredLayout(tf: TensorFlow, tensor: Tensor, isLinear: boolean): Float32Array {
  return tf.tidy(() => (isLinear ? tf.transpose(tensor) : tensor).dataSync<'float32'>().slice());
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length;
}

/** Puts the rows of the folder's own head in the order of `labels`. */
function orderHead(
  tf: TensorFlow,
  parameters: Parameters,
  { head, own, labels }: { head: readonly ParameterSpec[]; own: readonly string[]; labels: readonly string[] },
): void {
  for (const spec of head) {
    const stored = parameters.get(spec.name)!;
    const values = copyToStoredLayout(tf, stored, spec.isLinear);
    const width = values.length / own.length;
    const ordered = labels.flatMap((label) => [...values.subarray(own.indexOf(label) * width, (own.indexOf(label) + 1) * width)]);
    stored.dispose();
    parameters.set(spec.name, createParameter(tf, spec, Float32Array.from(ordered)));
  }
}

/** Weights from N(0, deviation²), bias 0, as transformers draws the head and a missing pooler (with numbers of our own). */
function drawParameters(
  tf: TensorFlow,
  parameters: Parameters,
  { specs, seed, deviation }: { specs: readonly ParameterSpec[]; seed: number; deviation: number },
): void {
  for (const spec of specs) {
    const size = spec.shape.reduce((product, count) => product * count, 1);
    const values = spec.isLinear ? toNormals(toStreamKey(seed, spec.name), size, deviation) : new Float32Array(size);
    parameters.set(spec.name, createParameter(tf, spec, values));
  }
}

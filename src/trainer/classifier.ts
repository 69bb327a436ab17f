import type { Tensor } from '@tensorflow/tfjs-core';
import { Failure } from '../errors.ts';
import type { BertConfig } from '../model-files/bert-config.ts';
import { toBertParameters, toBertRules } from '../model-files/bert-parameters.ts';
import type { ParameterSpec } from '../model-files/find-parameters.ts';
import { readModelFolder } from '../model-files/model-folder.ts';
import { readTokenizer, type Tokenizer } from '../model-files/tokenizer.ts';
import { toNormals, toStreamKey } from '../lib/random.ts';
import { computeAndFree, type TensorFlow } from './backend.ts';
import { toBatch, type Batch, type EncodedRow } from './batch.ts';
import { toLogits } from './bert.ts';
import type { NextDropout } from './dropout.ts';
import type { ClassifierSource } from './files.ts';
import { createOps, type Ops } from './ops.ts';
import { readParameters, toParameter, toStoredLayout, type Parameters } from './parameters.ts';

/** What computes: token numbers in, one of `labels` out. */
export interface Network {
  readonly tf: TensorFlow;
  readonly ops: Ops;
  readonly config: BertConfig;
  readonly labels: readonly string[];
  readonly parameters: Parameters;
}

/** A model that gives each text one of `labels`, with all that is needed to run, to train and to save it. */
export interface Classifier extends Network {
  readonly specs: readonly ParameterSpec[];
  readonly tokenizer: Tokenizer;
  /** Rows are cut to so many tokens. */
  readonly maxLength: number;
  /** What identifies the content of the folder that it was opened from. */
  readonly revision: string;
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
  const specs = toBertParameters(config, labels.length);
  const own = folder.labels && isSameSet(folder.labels, labels) ? folder.labels : null;
  const parameters = readParameters(tf, weights, toBertRules(config, own ? labels.length : null));
  const head = own ? toOrderedHead(tf, parameters, { own, labels, specs }) : toNewHead(tf, config, { specs, seed: source.seed });
  for (const [name, tensor] of head) parameters.set(name, tensor);
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
  };
}

/** Rows as one padded batch for this model. */
export function toModelBatch({ tf, config, labels }: Network, rows: readonly EncodedRow[]): Batch {
  return toBatch(tf, rows, { classes: labels.length, ...config });
}

/** Sum of the cross-entropies, the gradients of that sum divided by `rows`, by name and in the layout of the computation. */
export interface Gradients {
  readonly lossSum: number;
  readonly gradients: Map<string, Float32Array>;
}

/** Forward and backward pass over a micro-batch; `rows` is the size of the whole batch that it is a part of. */
export function toGradients(
  classifier: Network,
  batch: readonly EncodedRow[],
  { rows, next }: { rows: number; next: NextDropout | null },
): Gradients {
  const { tf, ops, parameters } = classifier;
  return computeAndFree(tf, () => {
    const inputs = toModelBatch(classifier, batch);
    const toLoss = (): Tensor => ops.crossEntropy(toLogits(classifier, inputs, next).logits, inputs.labels).sum;
    const { value, grads } = tf.valueAndGrads(toLoss)([...parameters.values()], tf.scalar(1 / rows));
    const names = [...parameters.keys()];
    return { lossSum: value.dataSync()[0]!, gradients: new Map(grads.map((gradient, i) => [names[i]!, gradient.dataSync<'float32'>()])) };
  });
}

/** Frees the tensors. */
export function closeClassifier({ parameters }: Network): void {
  for (const tensor of parameters.values()) tensor.dispose();
  parameters.clear();
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length;
}

/** The folder's head with its rows in the order of `labels`. */
function toOrderedHead(
  tf: TensorFlow,
  parameters: Parameters,
  { own, labels, specs }: { own: readonly string[]; labels: readonly string[]; specs: readonly ParameterSpec[] },
): [string, Tensor][] {
  return specs
    .filter((spec) => spec.name.startsWith('classifier.'))
    .map((spec) => {
      const stored = parameters.get(spec.name)!;
      const values = toStoredLayout(tf, stored, spec.isLinear);
      const width = values.length / own.length;
      const ordered = labels.flatMap((label) => [...values.subarray(own.indexOf(label) * width, (own.indexOf(label) + 1) * width)]);
      stored.dispose();
      return [spec.name, toParameter(tf, spec, Float32Array.from(ordered))];
    });
}

/** Weights from N(0, initializerRange²), bias 0, as transformers draws them (with numbers of our own). */
function toNewHead(
  tf: TensorFlow,
  config: BertConfig,
  { specs, seed }: { specs: readonly ParameterSpec[]; seed: number },
): [string, Tensor][] {
  const key = toStreamKey(seed, 'classifier.weight');
  return specs
    .filter((spec) => spec.name.startsWith('classifier.'))
    .map((spec) => {
      const size = spec.shape.reduce((product, count) => product * count, 1);
      const values = spec.isLinear ? toNormals(key, size, config.initializerRange) : new Float32Array(size);
      return [spec.name, toParameter(tf, spec, values)];
    });
}

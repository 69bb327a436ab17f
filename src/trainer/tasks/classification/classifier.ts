/** A model that gives each text one of a set of labels, several of them, or one number: opened from a folder, and what it computes. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { Failure } from '../../../errors.ts';
import { addAdapter, type LowRankAdapter } from '../../adapters/index.ts';
import type { TensorFlow } from '../../backends/index.ts';
import { buildBatch, buildCompactBatch, sortIntoBatches } from '../../engine/batches.ts';
import { computeAndFree, readParameters, type Network, type Task } from '../../engine/network.ts';
import { createOps, type NextDropout } from '../../engine/ops.ts';
import type { ParameterSpec } from '../../engine/parameters.ts';
import { computeLinear, getFamily, type ModelConfig } from '../../families/index.ts';
import { matchHead, readNetworkFolder } from '../../model-folder.ts';
import type { AdapterSettings, ClassifierSource } from '../../protocol.ts';
import { readTokenizer } from '../../tokenizer.ts';
import { drawParameters, getRules, listHead, listParameters, orderHead } from './head.ts';
import type { EncodedRow, Encoder } from './rows.ts';

/** What computes: token numbers in, one of `labels` out; without labels, a number. */
export type ClassifierNetwork = Network<EncodedRow, ModelConfig>;

/** A network with all that is needed to run, to train and to save it. */
export interface Classifier extends OpenNetwork, Encoder {
  readonly config: ClassifierNetwork['config'];
}

/** A classifier that reads tokens. */
export interface OpenNetwork extends ClassifierNetwork {
  /** Rows are cut to so many tokens. */
  readonly maxLength: number;
  /** The parameters of the model itself, without those of an adapter. */
  readonly specs: readonly ParameterSpec[];
  /** Its low-rank adapter, if it has one. */
  readonly adapter: LowRankAdapter | null;
  /** Whether a text may have several labels, or none. */
  readonly isMultiLabel: boolean;
  /** Identifies the content of the folder that it was opened from. */
  readonly revision: string;
  /** Parameters beside the head that the folder does not have: they were drawn from the seed. */
  readonly drawn: readonly string[];
}

/**
 * Reads a model folder as a classifier: with its own head where that is for the same labels (see `matchHead`), else with a new one drawn from the seed. `adapter`
 * says which parameters are to be trained; null: all.
 *
 * @throws Failure `file-missing`, `model-invalid`, or `configuration-invalid` when there are fewer than two labels
 */
export function openClassifier(tf: TensorFlow, source: ClassifierSource, adapter: AdapterSettings | null = null): Classifier {
  const tokenizer = readTokenizer(source.folder);
  return { ...openNetwork(tf, source, adapter), tokenizer };
}

/** The same without a tokenizer, which its folder may lack. */
export function openNetwork(tf: TensorFlow, source: ClassifierSource, adapter: AdapterSettings | null = null): OpenNetwork {
  const { labels, isMultiLabel = false } = source;
  if (new Set(labels).size !== labels.length || (isMultiLabel ? labels.length === 0 : labels.length === 1)) {
    const expected = isMultiLabel ? 'different labels' : 'at least two different labels';
    throw new Failure('configuration-invalid', `expected ${expected}, found ${JSON.stringify(labels)}`);
  }
  const outputs = countOutputs(labels);
  const { config, weights, maxPositions, ...folder } = readNetworkFolder(source.folder);
  const specs = listParameters(config, outputs);
  const classes = matchHead(folder, source);
  const parameters = readParameters(tf, weights, getRules(config, classes ? outputs : null));
  if (classes) orderHead(tf, parameters, { head: listHead(config, outputs), classes });
  const missing = specs.filter(({ name }) => !parameters.has(name));
  drawParameters(tf, parameters, { specs: missing, seed: source.seed, config });
  const { seed, adapter: adapterFolder = null } = source;
  const model = { config, specs, parameters, drawn: folder.drawn };
  const trained = addAdapter(tf, model, { settings: adapter, folder: adapterFolder, seed });
  for (const tensor of parameters.values()) tf.keep(tensor);
  return {
    tf,
    ops: createOps(tf),
    config,
    task: getTask(isMultiLabel),
    isMultiLabel,
    labels,
    specs,
    parameters,
    ...trained,
    maxLength: Math.min(source.maxLength, maxPositions),
    revision: folder.revision,
    drawn: folder.drawn,
  };
}

/** A model without labels gives one number. */
function countOutputs(labels: readonly string[]): number {
  return Math.max(1, labels.length);
}

/**
 * Cross-entropy of the softmax; the likeliest label is the answer. Without labels the squared error of the one number, as transformers has
 * both (`problem_type` "single_label_classification" and "regression").
 */
export const classification: Task<EncodedRow, ModelConfig> = {
  computeLoss(network, rows, next) {
    const { tf, ops, labels } = network;
    const classes = countOutputs(labels);
    const expected = new Float32Array(rows.length * classes);
    for (const [i, { label, targets }] of rows.entries()) {
      if (targets) expected.set(targets, i * classes);
      else expected[i * classes + label] = 1;
    }
    const [outputs, targets] = [computeLogits(network, rows, next), tf.tensor2d(expected, [rows.length, classes])];
    return labels.length === 0 ? ops.squaredError(outputs, targets) : ops.crossEntropy(outputs, targets).sum;
  },
  getWeight: (rows) => rows.reduce((sum, { weight = 1 }) => sum + weight, 0),
  evaluate(network, rows) {
    if (network.labels.length === 0) return measureErrors(network, rows);
    let [loss, correct] = [0, 0];
    for (const [i, logits] of computeAllLogits(network, rows).entries()) {
      const { label } = rows[i]!;
      loss += toLogSum(logits) - logits[label]!;
      if (logits.indexOf(Math.max(...logits)) === label) correct++;
    }
    return { loss: loss / rows.length, accuracy: correct / rows.length };
  },
};

/**
 * Several labels a text, each by itself: the binary cross-entropy of each label's sigmoid, in the mean over the labels, as transformers has it
 * (`problem_type` "multi_label_classification").
 */
export const multiLabel: Task<EncodedRow, ModelConfig> = {
  computeLoss(network, rows, next) {
    const { tf, ops, labels } = network;
    const toTensor = (numbers: readonly number[]): Tensor2D => tf.tensor2d(Float32Array.from(numbers), [rows.length, labels.length]);
    const weights = rows.some((row) => row.weights) ? toTensor(rows.flatMap((row) => row.weights!)) : null;
    return ops.binaryCrossEntropy(computeLogits(network, rows, next), toTensor(rows.flatMap(({ targets }) => targets!)), weights);
  },
  getWeight: (rows) => rows.length,
  evaluate(network, rows) {
    let [loss, right, given] = [0, 0, 0];
    for (const [i, logits] of computeAllLogits(network, rows).entries()) {
      for (const [label, logit] of logits.entries()) {
        const target = rows[i]!.targets![label]!;
        loss += (Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit))) - logit * target) / logits.length;
        const isAnswered = Number(logit > 0); // a probability of more than one half
        right += isAnswered * target;
        given += isAnswered + target;
      }
    }
    return { loss: loss / rows.length, microF1: given === 0 ? 0 : (2 * right) / given };
  },
};

/** What a thread of its own computes with. */
export function getTask(isMultiLabel: boolean): Task<EncodedRow, ModelConfig> {
  return isMultiLabel ? multiLabel : classification;
}

function measureErrors(network: ClassifierNetwork, rows: readonly EncodedRow[]): { loss: number; meanAbsoluteError: number } {
  const errors = computeAllLogits(network, rows).map(([value], i) => value! - rows[i]!.targets![0]!);
  const getMean = (measure: (error: number) => number): number => errors.reduce((sum, error) => sum + measure(error), 0) / rows.length;
  return { loss: getMean((error) => error ** 2), meanAbsoluteError: getMean(Math.abs) };
}

/** Logits of each text, [B, C]; `next` gives each place its dropout, null computes without. */
export function computeLogits(network: ClassifierNetwork, rows: readonly EncodedRow[], next: NextDropout | null): Tensor2D {
  const { tf, ops, config } = network;
  const family = getFamily(config);
  const build = ops.takesCompact && family.takesCompact ? buildCompactBatch : buildBatch;
  const batch = build(tf, rows, { ...config, positions: next?.part?.positions });
  const features = family.computeFeatures(network, batch, next); // [B, H]
  return computeLinear(network, family.head, { x: ops.dropout(features, next?.(config.classifierDropout) ?? null), next });
}

const rowsPerBatch = 64;

/** Logits of every row, in the order of the rows: [rows][classes]. */
export function computeAllLogits(network: ClassifierNetwork, rows: readonly EncodedRow[]): number[][] {
  const { helpers } = network;
  const threads = 1 + (helpers?.count ?? 0);
  const lengths = rows.map((row) => row.ids.length);
  const batches = sortIntoBatches(lengths, rowsPerBatch);
  const texts = batches.map((batch) => batch.map((i) => rows[i]!));
  const isOwn = (_: unknown, i: number): boolean => i % threads === 0;
  const takeOthers = helpers?.startLogits(texts.filter((batch, i) => !isOwn(batch, i)));
  const own = texts.filter(isOwn).map((batch) => computeBatchLogits(network, batch));
  const others = takeOthers?.() ?? [];
  const logits: number[][] = new Array<number[]>(rows.length);
  for (const [i, batch] of batches.entries()) {
    const found = isOwn(batch, i) ? own[i / threads]! : others[i - 1 - Math.floor(i / threads)]!;
    for (const [position, row] of batch.entries()) logits[row] = found[position]!;
  }
  return logits;
}

/** Logits of rows that fit in the memory together. */
export function computeBatchLogits(network: ClassifierNetwork, rows: readonly EncodedRow[]): number[][] {
  return computeAndFree(network.tf, () => computeLogits(network, rows, null).arraySync());
}

/** The probability of each label: of one label a text the softmax, of several the sigmoid of each. In double precision. */
export function toLabelProbabilities({ isMultiLabel }: Pick<OpenNetwork, 'isMultiLabel'>, logits: readonly number[]): number[] {
  return isMultiLabel ? logits.map(toSigmoid) : toProbabilities(logits);
}

function toSigmoid(logit: number): number {
  return logit >= 0 ? 1 / (1 + Math.exp(-logit)) : Math.exp(logit) / (1 + Math.exp(logit));
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

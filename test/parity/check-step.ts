/** One training step of a classifier: loss, every gradient, every parameter after AdamW. */
import { z } from 'zod';
import type { Backend, TensorFlow } from '../../src/trainer/backends/index.ts';
import { createAdamW } from '../../src/trainer/engine/adamw.ts';
import type { TokenRow } from '../../src/trainer/engine/batches.ts';
import { copyToStoredLayout, type Network } from '../../src/trainer/engine/network.ts';
import { hasDecay, type AdamW } from '../../src/trainer/engine/optimizer.ts';
import { accumulateGradients } from '../../src/trainer/engine/train.ts';
import type { OpenNetwork } from '../../src/trainer/tasks/classification/classifier.ts';
import type { ParameterSpec } from '../../src/trainer/engine/parameters.ts';
import { toCheck, toEqualCheck, toRelativeCheck, type Check } from './check.ts';
import { BatchShape, toLargestDifference, toNorm, toRows } from './reference.ts';

export const Optimizer = z.object({
  lr: z.number(),
  betas: z.tuple([z.number(), z.number()]),
  eps: z.number(),
  weight_decay: z.number(),
  schedule: z.string(),
  warmup: z.number(),
  max_grad_norm: z.number(),
});
type Optimizer = z.infer<typeof Optimizer>;
type Memory = Backend['memory'];

const figures = z.object({ norm: z.number(), first4: z.array(z.number()) });
const Parameter = z.object({
  shape: z.array(z.int()),
  decay: z.boolean(),
  grad: figures,
  after: figures,
  top: z.object({ index: z.array(z.int()), grad: z.array(z.number()), before: z.array(z.number()), after: z.array(z.number()) }),
  noise: z.object({ grad_relative: z.number(), after_max_abs: z.number() }),
  unstable: z.object({ grad: z.boolean(), after: z.boolean() }),
});
export const Step = z.object({
  batch: BatchShape,
  loss: z.number(),
  grad_norm: z.number(),
  noise: z.object({ loss: z.number(), grad_norm_relative: z.number() }),
  params: z.record(z.string(), Parameter),
});

export function toAdamW(tf: TensorFlow, { betas, eps, weight_decay }: Optimizer, memory: Memory = 'process'): AdamW {
  return createAdamW(tf, { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay: weight_decay }, memory);
}

/** Takes the step on `classifier`, whose parameters change. */
export function checkStep(
  tf: TensorFlow,
  classifier: OpenNetwork,
  file: { step: z.infer<typeof Step>; optimizer: Optimizer; memory?: Memory },
  name: string,
): Check[] {
  return checkStepOfRows(tf, classifier, { ...file, rows: toRows(file.step.batch) }, name);
}

/** The same of any network that is trained. */
export function checkStepOfRows<Row extends TokenRow>(
  tf: TensorFlow,
  classifier: Network<Row> & { readonly specs: readonly ParameterSpec[] },
  {
    step,
    optimizer,
    rows,
    memory = 'process',
  }: { step: Omit<z.infer<typeof Step>, 'batch'>; optimizer: Optimizer; rows: readonly Row[]; memory?: Memory },
  name: string,
): Check[] {
  const { parameters } = classifier;
  const toValues = (): Map<string, Float32Array> =>
    new Map(classifier.specs.map((spec) => [spec.name, copyToStoredLayout(tf, parameters.get(spec.name)!, spec.isLinear)]));
  const before = toValues();
  const { loss, gradients } = accumulateGradients(classifier, rows, { microBatchSize: rows.length, seed: 0, step: 0, memory });
  const stored = new Map(classifier.specs.map((spec) => [spec.name, copyToStoredLayout(tf, gradients.get(spec.name)!, spec.isLinear)]));
  // The reference does not clip here.
  const { gradNorm } = toAdamW(tf, optimizer, memory).update({ parameters, gradients, learningRate: optimizer.lr, maxGradNorm: 0 });
  const after = toValues();
  return [
    toCheck(`${name}: step.loss`, loss, step.loss, Math.max(5e-6, 20 * step.noise.loss)),
    toRelativeCheck(`${name}: step.grad_norm`, gradNorm, step.grad_norm, Math.max(1e-5, 20 * step.noise.grad_norm_relative)),
    toEqualCheck(`${name}: step.params, names`, [...gradients.keys()].toSorted(), Object.keys(step.params).toSorted()),
    ...classifier.specs.flatMap((spec) => {
      const expected = step.params[spec.name];
      if (!expected) return [];
      const values = { before: before.get(spec.name)!, gradient: stored.get(spec.name)!, after: after.get(spec.name)! };
      return checkParameter(spec, values, {
        expected,
        isZero: isRounding(step, spec.name),
        learningRate: optimizer.lr,
        name: `${name}: ${spec.name}`,
      });
    }),
  ];
}

/**
 * Whether a gradient is zero but for rounding, as that of a key's bias, which the softmax does not see: the file says so, or it is far below
 * the others. There is nothing to compare then, and AdamW moves the parameter by up to the learning rate in either direction.
 */
export function isRounding({ params, grad_norm: all }: Pick<z.infer<typeof Step>, 'params' | 'grad_norm'>, name: string): boolean {
  const parameter = params[name];
  return parameter !== undefined && (parameter.unstable.grad || parameter.grad.norm <= 1e-6 * all);
}

/** The rules for noise: 20 times the reference's own error where that is larger; where a step is noise, twice its length. */
function checkParameter(
  spec: ParameterSpec,
  { before, gradient, after }: { before: Float32Array; gradient: Float32Array; after: Float32Array },
  { expected, isZero, learningRate, name }: { expected: z.infer<typeof Parameter>; isZero: boolean; learningRate: number; name: string },
): Check[] {
  const { grad, top, noise } = expected;
  const isNoise = isZero || expected.unstable.after;
  const furthest = 2.01 * learningRate;
  const atTop = (values: Float32Array): number[] => top.index.map((i) => values[i] ?? NaN);
  const toDifference = (what: string, found: Iterable<number>, theirs: Iterable<number>, tolerance: number): Check =>
    toCheck(`${name}: ${what}, largest difference`, toLargestDifference(found, theirs), 0, tolerance);
  const relative = Math.max(2e-5, 20 * noise.grad_relative);
  const firstTolerance = isNoise ? furthest : Math.max(0.03 * learningRate, 20 * noise.after_max_abs);
  const count = grad.first4.length;
  return [
    toEqualCheck(`${name}: shape, decay`, [spec.shape, hasDecay(spec.name)], [expected.shape, expected.decay]),
    toDifference('top.before', atTop(before), top.before.map(Math.fround), 0),
    ...(isZero
      ? []
      : [
          toRelativeCheck(`${name}: grad.norm`, toNorm(gradient), grad.norm, relative),
          toDifference('top.grad', atTop(gradient), top.grad, relative * grad.norm),
          toDifference('grad.first4', gradient.subarray(0, count), grad.first4, relative * grad.norm),
        ]),
    toDifference('top.after', atTop(after), top.after, isNoise ? furthest : Math.max(3e-7, 20 * noise.after_max_abs)),
    toDifference('after.first4', after.subarray(0, count), expected.after.first4, firstTolerance),
    // A norm of n entries that may each be off by lr.
    toCheck(
      `${name}: after.norm`,
      toNorm(after),
      expected.after.norm,
      isNoise ? furthest * Math.sqrt(after.length) : 1e-5 * expected.after.norm,
    ),
  ];
}

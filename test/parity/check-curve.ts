/** A short training of a classifier: learning rates, losses, gradient norms, the parameters at the end. */
import { z } from 'zod';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { computeAndFree, copyToStoredLayout } from '../../src/trainer/engine/network.ts';
import { countWarmupSteps, getLearningRate, type Schedule, takeStep } from '../../src/trainer/engine/train.ts';
import { type OpenNetwork, computeLogits } from '../../src/trainer/tasks/classification/classifier.ts';
import { toCheck, toEqualCheck, toRelativeCheck, type Check } from './check.ts';
import { isRounding, toAdamW, type Optimizer, type Step } from './check-step.ts';
import { BatchShape, toLargestDifference, toNorm, toRows } from './reference.ts';
import { toScheduleName } from './check-schedules.ts';

export const Curve = z.object({
  batches: z.array(BatchShape).min(1),
  warmup_steps: z.int(),
  learning_rate: z.array(z.number()),
  loss: z.array(z.number()),
  grad_norm: z.array(z.number()),
  noise: z.object({ loss_max_abs: z.number() }),
  final_params: z.record(z.string(), z.object({ norm: z.number(), first4: z.array(z.number()) })),
  trainer: z.object({ loss: z.array(z.number()), grad_norm: z.array(z.number()) }).optional(),
  final_logits_of_step_batch: z.array(z.array(z.number())).optional(),
});

interface CurveFile {
  readonly curve: z.infer<typeof Curve>;
  readonly optimizer: z.infer<typeof Optimizer>;
  readonly step: z.infer<typeof Step>;
}

/** A learning rate, which the file has with nine digits, and how far another one may be from it. */
function toStored(rate: number): [rate: number, tolerance: number] {
  return [rate, Math.max(1e-12, rate === 0 ? 0 : 0.51 * 10 ** (Math.floor(Math.log10(rate)) - 8))];
}

/** Trains `classifier`, whose parameters change. */
export function checkCurve(tf: TensorFlow, classifier: OpenNetwork, { curve, optimizer, step }: CurveFile, name: string): Check[] {
  const steps = curve.batches.length;
  const scheduleName = toScheduleName(optimizer.schedule);
  const warmupSteps = optimizer.schedule === 'constant' ? 0 : countWarmupSteps(optimizer.warmup, steps);
  const schedule: Schedule | null = scheduleName && { name: scheduleName, learningRate: optimizer.lr, warmupSteps, steps };
  const adamW = toAdamW(tf, optimizer);
  const settings = { optimizer: adamW, maxGradNorm: optimizer.max_grad_norm, microBatchSize: Number.MAX_SAFE_INTEGER, seed: 0 };
  const lossTolerance = Math.max(5e-6, 20 * curve.noise.loss_max_abs);

  const checks =
    schedule && optimizer.schedule !== 'constant' ? [toEqualCheck(`${name}: curve.warmup_steps`, warmupSteps, curve.warmup_steps)] : [];
  for (const [i, batch] of curve.batches.entries()) {
    const learningRate = schedule ? getLearningRate(schedule, i) : curve.learning_rate[i]!;
    const { loss, gradNorm } = takeStep(classifier, toRows(batch), { ...settings, step: i, learningRate });
    if (schedule) checks.push(toCheck(`${name}: curve.learning_rate ${i}`, learningRate, ...toStored(curve.learning_rate[i] ?? NaN)));
    for (const [source, figures] of Object.entries({ curve, ...(curve.trainer && { 'curve.trainer': curve.trainer }) })) {
      checks.push(toCheck(`${name}: ${source}.loss ${i}`, loss, figures.loss[i] ?? NaN, lossTolerance));
      checks.push(toRelativeCheck(`${name}: ${source}.grad_norm ${i}`, gradNorm, figures.grad_norm[i] ?? NaN, 1e-4));
    }
  }
  const furthest = 2.01 * curve.learning_rate.reduce((sum, rate) => sum + rate, 0); // of two walks whose steps are noise
  for (const spec of classifier.specs) {
    const values = copyToStoredLayout(tf, classifier.parameters.get(spec.name)!, spec.isLinear);
    const expected = curve.final_params[spec.name];
    const isUnstable = step.params[spec.name]?.unstable.after ?? false;
    const noise = isRounding(step, spec.name) ? furthest : isUnstable ? 2.01 * optimizer.lr : null;
    const part = `${name}: curve.final_params ${spec.name}`;
    if (!expected) {
      checks.push(toEqualCheck(part, 'a parameter', 'none'));
      continue;
    }
    const entryTolerance = noise ?? 0.03 * optimizer.lr;
    checks.push(
      toCheck(`${part} norm`, toNorm(values), expected.norm, noise === null ? 1e-5 * expected.norm : noise * Math.sqrt(values.length)),
    );
    checks.push(
      toCheck(
        `${part} first4, largest difference`,
        toLargestDifference(values.subarray(0, expected.first4.length), expected.first4),
        0,
        entryTolerance,
      ),
    );
  }
  if (curve.final_logits_of_step_batch) {
    const logits = computeAndFree(tf, () => computeLogits(classifier, toRows(step.batch), null).arraySync());
    const difference = toLargestDifference(logits.flat(), curve.final_logits_of_step_batch.flat());
    checks.push(toCheck(`${name}: curve.final_logits_of_step_batch, largest difference`, difference, 0, Math.max(1e-5, lossTolerance)));
  }
  return checks;
}

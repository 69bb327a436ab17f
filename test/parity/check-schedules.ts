/** Learning rates, warm-up rounding, step counts, clipping, and gradient accumulation of a classifier. */
import { join } from 'node:path';
import { z } from 'zod';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { computeGradientNorm } from '../../src/trainer/engine/adamw.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import { getClipFactor } from '../../src/trainer/engine/optimizer.ts';
import { accumulateGradients, countSteps, countWarmupSteps, getLearningRate, type Schedule } from '../../src/trainer/engine/train.ts';
import { toCheck, toEqualCheck, toRelativeCheck, type Check } from './check.ts';
import { BatchShape, openReference, toLargestDifference, toRows } from './reference.ts';

const count = z.int().min(0);
const ClassifierAccumulation = z.object({
  microbatches: z.array(BatchShape).min(1),
  head: z.string(),
  loss_mean: z.number(),
  grad_norm_mean: z.number(),
});
export const SchedulesFile = z.object({
  schedules: z.array(
    z.object({
      name: z.string(),
      lr: z.number(),
      warmup_steps: count,
      total_steps: count,
      learning_rate_of_step: z.array(z.number()),
      after_the_end: z.number(),
    }),
  ),
  warmup_rounding: z.array(z.object({ total_steps: count, warmup: z.number(), warmup_steps: count })).default([]),
  step_counts: z
    .array(
      z.object({
        examples: count,
        batch: count,
        accumulation: count,
        epochs: z.number(),
        batches_per_epoch: count,
        updates_per_epoch: count,
        total_steps: count,
      }),
    )
    .default([]),
  clipping: z
    .array(
      z.object({ max_norm: z.number(), gradients: z.array(z.array(z.number())), norm: z.number(), clipped: z.array(z.array(z.number())) }),
    )
    .default([]),
  accumulation: z.object({ classifier: ClassifierAccumulation.optional(), causal: z.unknown().optional() }).default({}),
  label_smoothing: z.unknown().optional(),
});

/** Our name of transformers' schedule; null for one that we do not have. Its `constant` knows no warm-up, ours may have one. */
export function toScheduleName(theirs: string): Schedule['name'] | null {
  if (theirs === 'constant_with_warmup') return 'constant';
  return theirs === 'linear' || theirs === 'cosine' || theirs === 'constant' ? theirs : null;
}

export interface Checked {
  readonly checks: Check[];
  readonly skipped: string[];
}

export function checkSchedules(file: z.infer<typeof SchedulesFile>, name: string): Checked {
  const checks: Check[] = [];
  const skipped: string[] = [];
  for (const [index, { lr, total_steps: steps, ...theirs }] of file.schedules.entries()) {
    const ours = toScheduleName(theirs.name);
    const part = `${name}: schedules ${index} ${theirs.name}`;
    if (!ours) {
      skipped.push(`${part}: not a schedule of ours`);
      continue;
    }
    const schedule: Schedule = { name: ours, learningRate: lr, steps, warmupSteps: theirs.name === 'constant' ? 0 : theirs.warmup_steps };
    const rates = theirs.learning_rate_of_step.map((_, step) => getLearningRate(schedule, step));
    checks.push(toEqualCheck(`${part}: steps`, rates.length, steps));
    checks.push(toCheck(`${part}: learning rates, largest difference`, toLargestDifference(rates, theirs.learning_rate_of_step), 0, 1e-12));
    checks.push(toCheck(`${part}: after the end`, getLearningRate(schedule, steps), theirs.after_the_end, 1e-12));
  }
  for (const { total_steps: steps, warmup, warmup_steps: expected } of file.warmup_rounding) {
    const part = `${name}: warm-up ${warmup} of ${steps}`;
    if (warmup >= 1) skipped.push(`${part}: a number of steps, ours is a share`);
    else checks.push(toEqualCheck(part, countWarmupSteps(warmup, steps), expected));
  }
  for (const { examples: rows, batch, accumulation, epochs, ...expected } of file.step_counts) {
    const found = countSteps(rows, { batchSize: batch * accumulation, epochs, steps: null });
    const batches = countSteps(rows, { batchSize: batch, epochs: 1, steps: null }).perEpoch;
    const part = `${name}: steps of ${rows} rows, ${batch} x ${accumulation}, ${epochs} epochs`;
    checks.push(
      toEqualCheck(
        part,
        [batches, found.perEpoch, found.total],
        [expected.batches_per_epoch, expected.updates_per_epoch, expected.total_steps],
      ),
    );
  }
  for (const { max_norm: maxNorm, gradients, ...expected } of file.clipping) {
    const norm = computeGradientNorm(gradients.map((gradient) => Float32Array.from(gradient)));
    const clipped = gradients.flat().map((value) => value * getClipFactor(norm, maxNorm));
    const most = Math.max(...expected.clipped.flat().map(Math.abs));
    checks.push(toRelativeCheck(`${name}: clipping to ${maxNorm}: norm`, norm, expected.norm, 1e-7));
    checks.push(
      toCheck(`${name}: clipping to ${maxNorm}: largest difference`, toLargestDifference(clipped, expected.clipped.flat()), 0, 2e-7 * most),
    );
  }
  if (file.accumulation.causal !== undefined) skipped.push(`${name}: accumulation.causal: no causal models yet`);
  if (file.label_smoothing !== undefined) skipped.push(`${name}: label_smoothing: not offered`);
  return { checks, skipped };
}

/** Micro-batches of one size, whose accumulated gradient is that of the whole batch. */
export function checkAccumulation(
  tf: TensorFlow,
  { microbatches, head, ...expected }: z.infer<typeof ClassifierAccumulation>,
  { folder, name, model, labels }: { folder: string; name: string; model: string; labels: readonly string[] },
): Check[] {
  const parts = microbatches.map(toRows);
  const classifier = openReference(tf, { model, head: join(folder, head), labels });
  const { loss, gradients } = accumulateGradients(classifier, parts.flat(), {
    microBatchSize: parts[0]!.length,
    seed: 0,
    step: 0,
    memory: 'process',
  });
  closeNetwork(classifier);
  return [
    toCheck(`${name}: accumulation.classifier: loss`, loss, expected.loss_mean, 5e-6),
    toRelativeCheck(
      `${name}: accumulation.classifier: gradient norm`,
      computeGradientNorm([...gradients.values()].map((gradient) => gradient.dataSync<'float32'>())),
      expected.grad_norm_mean,
      1e-5,
    ),
  ];
}

/** Whether a training ended too early, by the losses that it reported. */
import type { Metric } from '../provider/metric.ts';

/** How the note begins, by which others find it again. */
export const stillFalling = 'the loss was still falling at the end';

/** Fewer steps say nothing about a trend. */
const leastSteps = 15;
/** A mean is lower where it is so by more than twice its standard error. */
const certainty = 2;
/** A loss below this share of the first one was learnt well enough. */
const highShare = 0.5;
/** A validation loss has stopped falling where it lost less than this share. */
const flatShare = 0.01;

/**
 * A note where the training loss was still falling, and still more than half of what it was at first: the mean of the last fifth of the
 * steps is lower than that of the fifth before by more than twice the standard error of their difference. Validation losses that fall no
 * more veto it: then more training would teach only the training rows. Null where there is nothing to say.
 */
export function describeLossTrend(metrics: readonly Metric[]): string | null {
  const training = listLosses(metrics, 'train');
  if (training.length < leastSteps) return null;
  const size = Math.floor(training.length / 5);
  const last = training.slice(-size);
  const before = training.slice(-2 * size, -size);
  const first = getMean(training.slice(0, Math.ceil(training.length / 10)));
  const end = getMean(last);
  const isFalling = getMean(before) - end > certainty * Math.sqrt(getVariance(before) / size + getVariance(last) / size);
  const [previous, final] = listLosses(metrics, 'validation').slice(-2);
  const isFlat = previous !== undefined && final !== undefined && final > previous * (1 - flatShare);
  if (!isFalling || isFlat || end <= highShare * first) return null;
  return `${stillFalling} (${end.toPrecision(3)}, ${first.toPrecision(3)} at first): more epochs or a higher learning rate may help`;
}

/** In the order of the steps. */
function listLosses(metrics: readonly Metric[], split: Metric['split']): number[] {
  const losses = metrics.filter((metric) => metric.name === 'loss' && metric.split === split && metric.step !== null);
  return losses.toSorted((a, b) => a.step! - b.step!).map(({ value }) => value);
}

function getMean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample. */
function getVariance(values: readonly number[]): number {
  const mean = getMean(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
}

import { toStreamKey, toUniform } from '../lib/random.ts';

/** What is measured at a step. */
export interface StepMetrics {
  readonly step: number;
  readonly total_steps: number;
  readonly train_loss: number;
  readonly train_mean_token_accuracy: number;
  readonly valid_loss?: number;
  readonly valid_mean_token_accuracy?: number;
  readonly full_valid_loss?: number;
  readonly full_valid_mean_token_accuracy?: number;
}

interface Curve {
  readonly seed: number;
  readonly steps: number;
  readonly hasValidation: boolean;
}

/** The measures of one step: a curve that falls with the steps, with noise from the seed. `isWhole`: at the end of an epoch. */
export function toStepMetrics({ seed, steps, hasValidation }: Curve, step: number, isWhole: boolean): StepMetrics {
  const train = toPoint(toStreamKey(seed, 'train'), step / steps, step);
  const valid = toPoint(toStreamKey(seed, 'valid'), (0.9 * step) / steps, step);
  const whole = toPoint(toStreamKey(seed, 'full'), (0.9 * step) / steps, step);
  return {
    step,
    total_steps: steps,
    train_loss: train.loss,
    train_mean_token_accuracy: train.accuracy,
    ...(hasValidation ? { valid_loss: valid.loss, valid_mean_token_accuracy: valid.accuracy } : {}),
    ...(hasValidation && isWhole ? { full_valid_loss: whole.loss, full_valid_mean_token_accuracy: whole.accuracy } : {}),
  };
}

/** `part` of the way: the loss decays from about 2.2 to about 0.3. */
function toPoint(key: number, part: number, step: number): { loss: number; accuracy: number } {
  const loss = (0.2 + 2 * Math.exp(-3 * part)) * (1 + 0.1 * (toUniform(key, step) - 0.5));
  return { loss: round(loss), accuracy: round(Math.exp(-loss / 1.5)) };
}

function round(value: number): number {
  return Number(value.toFixed(5));
}

import { z } from 'zod';

/* Settings of a training that are not needed to train: fields of `TrainingSettings`, absent where the training does without them. */

const positive = z.int('a positive whole number').min(1, 'a positive whole number');
const amount = z.number('a number from 0').min(0, 'a number from 0');

/** What validations are compared by: their loss, or how well the rows are answered. */
export const Comparison = z.enum(['loss', 'measure'], '"loss" or "measure"');

/** When a training ends before its last step. */
const EarlyStopping = z.object({
  /** Validations in a row without progress after which it ends. */
  patience: positive,
  /** Progress is to be better than the best validation so far by more than this. */
  minDelta: amount,
  /** The best weights are chosen by it too. */
  by: Comparison,
});
export type EarlyStopping = Readonly<z.infer<typeof EarlyStopping>>;

export const trainingControls = {
  earlyStopping: EarlyStopping.optional(),
  /** Share of a label's target that all labels share. */
  labelSmoothing: amount.lt(1, 'less than 1').optional(),
  /** What a row counts in the loss by its label, in the order of the labels. */
  classWeights: z.array(amount, 'a list of numbers').readonly().optional(),
  /** The learning rate of a layer by that of the one above it. */
  layerDecay: amount.gt(0, 'more than 0').max(1, 'at most 1').optional(),
};

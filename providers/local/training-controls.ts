/** Options that change what a classifier learns from its rows, and how fast its layers learn. */
import { z } from 'zod';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import { Failure } from '../../src/errors.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import { omitUndefined } from '../../src/lib/json.ts';
import { formatValue } from '../../src/lib/text.ts';
import type { Note } from '../../src/provider/note.ts';
import type { TrainingSettings } from '../../src/trainer/protocol.ts';

export const controlOptions = {
  /** Share of each label's target that goes to all labels alike. */
  labelSmoothing: z.number().min(0).lt(1).optional(),
  /**
   * What rows count by their label: numbers, 1 where a label has none, or "balanced": labels count alike, however many rows they have. Where texts
   * have several labels: what a label that a text has counts, beside 1 for one that it has not.
   */
  classWeights: z.union([z.literal('balanced'), z.record(z.string(), z.number().positive())]).optional(),
  /** The learning rate of each layer is this share of the one above it; the head learns with the whole rate. */
  layerDecay: z.number().gt(0).max(1).optional(),
};

const Options = z.object(controlOptions);
type Options = Readonly<z.infer<typeof Options>>;

/** Training rows, their labels, and the rows that have one of these. */
interface Counts {
  readonly rows: number;
  readonly labels: number;
  readonly own: number;
}

/** What "balanced" stands for. */
const balances = {
  classification: {
    getWeight: ({ rows, labels, own }: Counts): number => rows / (labels * own),
    why: 'the rows of each label count as much as those of any other: rows / (labels x rows of the label)',
  },
  'multi-label': {
    getWeight: ({ rows, own }: Counts): number => (own < rows ? (rows - own) / own : 1),
    why: 'the rows with a label count as much as those without it: rows without / rows with',
  },
};

/**
 * The trainer's settings for the options, and notes on those that became something else.
 * @param location of the options, for messages
 * @throws Failure `job-file-invalid` for a label that no training row has
 */
export function mapControls(
  { labelSmoothing, classWeights, layerDecay }: Options,
  { labels, train, task }: Pick<DataFacts, 'labels' | 'train'> & Pick<RunSpec, 'task'>,
  location: string,
): { readonly settings: Partial<TrainingSettings>; readonly converted: readonly Extract<Note, { type: 'converted' }>[] } {
  if (labelSmoothing !== undefined && task !== 'classification') {
    const expected = 'expected the task "classification", which has one label a text';
    throw new Failure('job-file-invalid', `${location}.labelSmoothing: ${expected}, found "${task}"`);
  }
  if (layerDecay !== undefined && (task === 'chat' || task === 'preference')) {
    throw new Failure('job-file-invalid', `${location}.layerDecay: expected a task of a classifier, found "${task}"`);
  }
  if (classWeights !== undefined && task !== 'classification' && task !== 'multi-label') {
    const expected = 'expected the task "classification" or "multi-label", which have labels';
    throw new Failure('job-file-invalid', `${location}.classWeights: ${expected}, found "${task}"`);
  }
  if (classWeights === undefined) return { settings: omitUndefined({ labelSmoothing, layerDecay }), converted: [] };
  const isBalanced = classWeights === 'balanced';
  const other = isBalanced ? undefined : Object.keys(classWeights).find((label) => !labels.includes(label));
  if (other !== undefined) {
    const expected = `expected a label of the training rows: ${labels.map(formatValue).join(', ')}`;
    throw new Failure('job-file-invalid', `${location}.classWeights: ${expected}, found ${formatValue(other)}`);
  }
  const { getWeight, why } = balances[task as keyof typeof balances];
  const count = (label: string): Counts => ({ rows: train.rows, labels: labels.length, own: train.labels[label] ?? 1 });
  const weights = labels.map((label) => (isBalanced ? getWeight(count(label)) : (classWeights[label] ?? 1)));
  const value = Object.fromEntries(labels.map((label, i) => [label, weights[i]!]));
  const field = 'options.classWeights';
  return {
    settings: omitUndefined({ labelSmoothing, layerDecay, classWeights: weights }),
    converted: isBalanced ? [{ type: 'converted', field, from: classWeights, value, why }] : [],
  };
}

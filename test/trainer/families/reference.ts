/** Our figures of a model beside those that transformers gave: see test/python/families.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { TensorFlow } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import type { AdapterSettings } from '../../../src/trainer/protocol.ts';
import { computeAllLogits, openClassifier, type Classifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import { encodeText, type EncodedRow } from '../../../src/trainer/tasks/classification/rows.ts';
import { toCheck, toEqualCheck, type Check } from '../../parity/check.ts';
import { checkStep, Optimizer, Step } from '../../parity/check-step.ts';
import { toLargestDifference } from '../../parity/reference.ts';

const Expected = z.object({
  rows: z.array(z.array(z.string()).min(1).max(2)),
  input_ids: z.array(z.array(z.int())),
  labels: z.array(z.string()).optional(),
  logits: z.array(z.array(z.number())).optional(),
  noise: z.number().default(0),
  optimizer: Optimizer.optional(),
  step: Step.optional(),
});
export type Expected = z.infer<typeof Expected>;

export function readExpected(place: string): Expected {
  return Expected.parse(JSON.parse(readFileSync(join(place, 'expected.json'), 'utf8')));
}

/** The model of a case, without dropout; a head is drawn where it has none. */
export function openCase(
  tf: TensorFlow,
  folder: string,
  { labels = ['bad', 'good', 'neither'], adapter = null }: Pick<Expected, 'labels'> & { readonly adapter?: AdapterSettings | null },
): Classifier {
  const classifier = openClassifier(tf, { folder, labels, seed: 1, maxLength: 1_000_000 }, adapter);
  return { ...classifier, config: { ...classifier.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
}

export function encodeRows(classifier: Classifier, { rows }: Pick<Expected, 'rows'>): EncodedRow[] {
  return rows.map(([text, text2]) => encodeText(classifier, { text: text!, text2 }).row);
}

/** Tokens, logits, and one step of training; a model without a head of its own has tokens only. */
export function checkCase(tf: TensorFlow, place: string, name: string): Check[] {
  const expected = readExpected(place);
  const classifier = openCase(tf, join(place, 'model'), expected);
  const rows = encodeRows(classifier, expected);
  const checks = [
    toEqualCheck(
      `${name}: input_ids`,
      rows.map(({ ids }) => ids),
      expected.input_ids,
    ),
  ];
  if (expected.logits) {
    const difference = toLargestDifference(computeAllLogits(classifier, rows).flat(), expected.logits.flat());
    checks.push(toCheck(`${name}: logits, largest difference`, difference, 0, Math.max(1e-5, 20 * expected.noise)));
  }
  const { step, optimizer } = expected;
  if (step && optimizer) checks.push(...checkStep(tf, classifier, { step, optimizer }, name));
  closeNetwork(classifier);
  return checks;
}

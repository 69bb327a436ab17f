import { toSortedBatches } from './batches.ts';
import { computeAndFree } from './backend.ts';
import type { EncodedRow } from './batch.ts';
import { toModelBatch, type Classifier } from './classifier.ts';
import { toLogits } from './bert.ts';

const rowsPerBatch = 64;

/** Logits of every row, in the order of the rows: [rows][classes]. */
export function toAllLogits(classifier: Classifier, rows: readonly EncodedRow[]): number[][] {
  const logits: number[][] = new Array<number[]>(rows.length);
  for (const batch of toSortedBatches(
    rows.map((row) => row.ids.length),
    rowsPerBatch,
  )) {
    const found = computeAndFree(classifier.tf, () => {
      const inputs = toModelBatch(
        classifier,
        batch.map((i) => rows[i]!),
      );
      return toLogits(classifier, inputs, null).logits.arraySync();
    });
    for (const [position, i] of batch.entries()) logits[i] = found[position]!;
  }
  return logits;
}

/** Mean cross-entropy (nats) and the share of rows whose likeliest class is the right one. */
export function evaluate(classifier: Classifier, rows: readonly EncodedRow[]): { readonly loss: number; readonly accuracy: number } {
  let [loss, correct] = [0, 0];
  for (const [i, logits] of toAllLogits(classifier, rows).entries()) {
    const { label } = rows[i]!;
    loss += toLogSum(logits) - logits[label]!;
    if (logits.indexOf(Math.max(...logits)) === label) correct++;
  }
  return { loss: loss / rows.length, accuracy: correct / rows.length };
}

/** Softmax in double precision. */
export function toProbabilities(logits: readonly number[]): number[] {
  const logSum = toLogSum(logits);
  return logits.map((logit) => Math.exp(logit - logSum));
}

/** `log Σ exp(x)`, computed from the largest so that nothing overflows. */
function toLogSum(logits: readonly number[]): number {
  const most = Math.max(...logits);
  return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
}

/**
 * A batch that several threads share: each of them has a copy of the network, computes some rows of every micro-batch, and then their
 * gradients are added in the order of the threads. So the bits of a result depend on how many threads there are, and on nothing else.
 */
import type { Backend } from '../backends/index.ts';
import { countPositions, type TokenRow } from './batches.ts';
import type { Part } from './dropout.ts';
import type { Gradients } from './network.ts';

/** One thread's share of a batch; `index` is counted from 0. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

/** What a thread without helpers computes. */
export const wholeBatch: Share = { index: 0, of: 1 };

/** What decides the gradients of a batch beside the network and the rows; `step` is counted from 0. */
export interface BatchSettings {
  readonly microBatchSize: number;
  readonly seed: number;
  readonly step: number;
  readonly memory: Backend['memory'];
}

export interface BatchGradients {
  /** The sum of the losses of the rows. */
  readonly lossSum: number;
  /** Empty where there are no rows. */
  readonly gradients: Gradients;
}

/** Threads beside this one that have a copy of the network: see ../workers. */
export interface Helpers<Row extends TokenRow> {
  readonly count: number;
  /** Begins the shares 1 to `count` of a batch. The function that it returns waits for them and adds them to share 0. */
  startGradients(batch: readonly Row[], settings: BatchSettings): (own: BatchGradients) => BatchGradients;
  /** Begins to answer batches of rows; the function that it returns waits for their logits: [batches][rows][classes]. */
  startLogits(batches: readonly (readonly Row[])[]): () => number[][][];
}

/**
 * The rows of a micro-batch that are a thread's own, and where they stand in it. Micro-batches begin with another thread each, so that
 * those of one row are shared too; the first thread has a row of the first one.
 */
export function takeShare<Row extends TokenRow>(
  rows: readonly Row[],
  { index, of }: Share,
  microBatch: number,
): { readonly rows: readonly Row[]; readonly part: Part | undefined } {
  if (of === 1) return { rows, part: undefined };
  const turn = (index + microBatch) % of;
  const [first, end] = [turn, turn + 1].map((count) => Math.ceil((count * rows.length) / of)) as [number, number];
  return { rows: rows.slice(first, end), part: { firstRow: first, rows: end - first, positions: countPositions(rows) } };
}

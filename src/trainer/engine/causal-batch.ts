/** Texts whose tokens see those before them, as tensors: in training whole, in generation a part behind what is known already. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { CompactRows } from '../kernels/calls.ts';
import { countPositions } from './batches.ts';

/** B texts of Q positions each, that see T positions; M rows, B * Q or as many as there are tokens. */
export interface CausalBatch {
  readonly sizes: { readonly texts: number; readonly positions: number };
  /** Word of each row, int32 [M]. */
  readonly ids: Tensor1D;
  /** The position of each row in its text, counted from 0. */
  readonly places: Int32Array;
  /** The row of each text's first position. */
  readonly starts: readonly number[];
  /** Added to the scores of all of a text's queries: 0, or -1e9 at what none of them sees, [B, 1, 1, T]; null: they see all before them. */
  readonly mask: Tensor | null;
  /** Where the texts are, when there is no padding; null: they are padded, or all of one length. */
  readonly compact: CompactRows | null;
  /** The keys and values of a layer's positions before these with the new ones behind them: [M, N] -> [B*T, N]; null: there are none. */
  readonly extend: ((layer: number, keys: Tensor2D, values: Tensor2D) => readonly [Tensor2D, Tensor2D]) | null;
}

interface PaddedSizes {
  readonly padTokenId: number;
  readonly maxPositions: number;
}

type Row = { readonly ids: readonly number[] };

/**
 * Whole texts: side by side where the operations take them so, else padded at their ends, which no token sees, as that is behind it. The
 * caller frees the tensors.
 */
export function buildCausalBatch(
  tf: TensorFlow,
  rows: readonly Row[],
  { padTokenId, maxPositions, isCompact }: PaddedSizes & { readonly isCompact: boolean },
): CausalBatch {
  return isCompact && rows.some(({ ids }) => ids.length > 1) ? buildCompact(tf, rows) : buildPadded(tf, rows, { padTokenId, maxPositions });
}

function buildPadded(tf: TensorFlow, rows: readonly Row[], { padTokenId, maxPositions }: PaddedSizes): CausalBatch {
  const [B, S] = [rows.length, countPositions(rows)];
  const ids = new Int32Array(B * S).fill(padTokenId);
  for (const [b, row] of rows.entries()) ids.set(row.ids, b * S);
  return {
    sizes: { texts: B, positions: S },
    ids: tf.tensor1d(ids, 'int32'),
    places: Int32Array.from({ length: B * S }, (_, i) => Math.min(i % S, maxPositions - 1)), // padding beyond the last position shares it
    starts: rows.map((_, b) => b * S),
    mask: null,
    compact: null,
    extend: null,
  };
}

function buildCompact(tf: TensorFlow, rows: readonly Row[]): CausalBatch {
  const lengths = rows.map(({ ids }) => ids.length);
  const S = Math.max(...lengths);
  const ends = lengths.reduce((all, length) => [...all, all.at(-1)! + length], [0]);
  const places = lengths.flatMap((length) => Array.from({ length }, (_, i) => i));
  return {
    sizes: { texts: rows.length, positions: S },
    ids: tf.tensor1d(
      rows.flatMap(({ ids }) => [...ids]),
      'int32',
    ),
    places: Int32Array.from(places),
    starts: ends.slice(0, -1),
    mask: null,
    compact: {
      places: tf.tensor1d(
        lengths.flatMap((length, text) => Array.from({ length }, (_, i) => text * S + i)),
        'int32',
      ),
      starts: tf.tensor1d(ends, 'int32'),
      pairs: lengths.reduce((sum, length) => sum + length * length, 0),
      padded: rows.length * S,
    },
    extend: null,
  };
}

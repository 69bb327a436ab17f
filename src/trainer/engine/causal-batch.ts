/** Texts whose tokens see those before them, as padded tensors: in training whole, in generation a part behind what is known already. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import { countPositions } from './batches.ts';

/** B texts of Q positions each, M = B * Q rows, that see T positions. */
export interface CausalBatch {
  readonly sizes: { readonly texts: number; readonly positions: number };
  /** Word of each row, int32 [M]. */
  readonly ids: Tensor1D;
  /** The position of each row in its text, counted from 0. */
  readonly places: Int32Array;
  /** Added to attention scores: 0, or -1e9 at what a position does not see, [B, 1, Q, T], or [1, 1, Q, T] for all texts. */
  readonly mask: Tensor;
  /** The keys and values of a layer's positions before these with the new ones behind them: [M, N] -> [B*T, N]; null: there are none. */
  readonly extend: ((layer: number, keys: Tensor2D, values: Tensor2D) => readonly [Tensor2D, Tensor2D]) | null;
}

/** Whole texts, padded at their ends: no token sees the padding, which is behind it. The caller frees the tensors. */
export function buildCausalBatch(
  tf: TensorFlow,
  rows: readonly { readonly ids: readonly number[] }[],
  { padTokenId, positions: S = countPositions(rows) }: { readonly padTokenId: number; readonly positions?: number | undefined },
): CausalBatch {
  const B = rows.length;
  const ids = new Int32Array(B * S).fill(padTokenId);
  for (const [b, row] of rows.entries()) ids.set(row.ids, b * S);
  const hidden = Float32Array.from({ length: S * S }, (_, i) => (i % S > Math.floor(i / S) ? -1e9 : 0));
  return {
    sizes: { texts: B, positions: S },
    ids: tf.tensor1d(ids, 'int32'),
    places: Int32Array.from({ length: B * S }, (_, i) => i % S),
    mask: tf.tensor(hidden, [1, 1, S, S]),
    extend: null,
  };
}

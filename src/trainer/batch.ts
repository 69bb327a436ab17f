import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.ts';

/** A row as the model reads it. */
export interface EncodedRow {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
  /** Index of its class; 0 where it is to be predicted. */
  readonly label: number;
}

/** Rows side by side, padded to one length. B texts of S positions, M = B * S. */
export interface Batch {
  readonly sizes: { readonly texts: number; readonly positions: number };
  /** Word of each position, int32 [M]. */
  readonly ids: Tensor1D;
  /** Two ones a row, [M, S + T]: which position and which type it is. */
  readonly places: Tensor2D;
  /** Added to attention scores: 0, or -1e9 at padding, [B, 1, 1, S]. */
  readonly mask: Tensor;
  /** One-hot classes, [B, C]. */
  readonly labels: Tensor2D;
}

interface BatchSizes {
  readonly classes: number;
  readonly padTokenId: number;
  readonly typeVocabSize: number;
  readonly maxPositions: number;
}

/**
 * Pads rows to the longest of them, rounded up to a multiple of 4 (kernels work on four numbers at once). The rows must fit the
 * model; `readRows` sees to that. The caller frees the tensors, for example with `tf.tidy`.
 */
export function toBatch(
  tf: TensorFlow,
  rows: readonly EncodedRow[],
  { classes, padTokenId, typeVocabSize, maxPositions }: BatchSizes,
): Batch {
  const B = rows.length;
  const S = 4 * Math.ceil(Math.max(1, ...rows.map((row) => row.ids.length)) / 4);
  const used = Math.min(S, maxPositions); // padding beyond the last position shares it
  const ids = new Int32Array(B * S).fill(padTokenId);
  const places = new Float32Array(B * S * (used + typeVocabSize));
  const mask = new Float32Array(B * S).fill(-1e9);
  const labels = new Float32Array(B * classes);
  for (const [b, row] of rows.entries()) {
    ids.set(row.ids, b * S);
    mask.fill(0, b * S, b * S + row.ids.length);
    labels[b * classes + row.label] = 1;
    for (let s = 0; s < S; s++) {
      const place = (b * S + s) * (used + typeVocabSize);
      places[place + Math.min(s, used - 1)] = 1;
      places[place + used + (row.typeIds[s] ?? 0)] = 1;
    }
  }
  return {
    sizes: { texts: B, positions: S },
    ids: tf.tensor1d(ids, 'int32'),
    places: tf.tensor2d(places, [B * S, used + typeVocabSize]),
    mask: tf.tensor(mask, [B, 1, 1, S]),
    labels: tf.tensor2d(labels, [B, classes]),
  };
}

/** Texts that grow token by token. What earlier tokens were turned into is kept, so that each new one costs the same (a key-value cache). */
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import type { CausalBatch } from '../engine/causal-batch.ts';
import { computeAndFree } from '../engine/network.ts';
import { computeStates, getOutput, type LanguageNetwork } from './model.ts';

/** B texts that grow together. */
export interface Continuation {
  /** The logits of the next token of each text, [V] each. They are good until the texts grow. */
  readonly logits: readonly Float32Array[];
  /** Adds a token to each text. */
  append(ids: readonly number[]): void;
  /** Frees what is kept. */
  close(): void;
}

/** Numbers that a model's layer keeps of all texts, [B, T, N]. */
interface Kept {
  readonly keys: Tensor3D;
  readonly values: Tensor3D;
}

/** Begins to continue texts of at least one token each. */
export function startContinuation(network: Omit<LanguageNetwork<never>, 'task'>, texts: readonly (readonly number[])[]): Continuation {
  const { tf, ops, config } = network;
  const B = texts.length;
  const longest = Math.max(...texts.map((ids) => ids.length));
  const gaps = texts.map((ids) => longest - ids.length); // before each text, so that all end together
  const isEven = gaps.every((gap) => gap === 0);
  const kept: Kept[] = [];
  let known = 0;
  let logits: readonly Float32Array[] = [];

  const extend = (layer: number, keys: Tensor2D, values: Tensor2D): [Tensor2D, Tensor2D] => {
    const before = kept[layer];
    const [grownKeys, grownValues] = [
      [keys, before?.keys],
      [values, before?.values],
    ].map(([added, old]) => {
      const rows: Tensor3D = tf.reshape(added!, [B, added!.size / B / added!.shape[1], added!.shape[1]]);
      return tf.keep(old ? tf.concat3d([old as Tensor3D, rows], 1) : rows.clone());
    }) as [Tensor3D, Tensor3D];
    kept[layer] = { keys: grownKeys, values: grownValues };
    if (before) tf.dispose([before.keys, before.values]);
    const toRows = (x: Tensor3D): Tensor2D => tf.reshape(x, [B * x.shape[1], x.shape[2]]);
    return [toRows(grownKeys), toRows(grownValues)];
  };

  /** `added` has Q tokens of each text, with padding before those that are shorter. */
  const read = (added: readonly (readonly number[])[]): void => {
    const [Q, T] = [added[0]!.length, known + added[0]!.length];
    logits = computeAndFree(tf, () => {
      const batch: CausalBatch = {
        sizes: { texts: B, positions: Q },
        ids: tf.tensor1d(added.flat(), 'int32'),
        places: Int32Array.from({ length: B * Q }, (_, i) => toPlace(known + (i % Q) - gaps[Math.floor(i / Q)]!, config.maxPositions)),
        starts: gaps.map((_, b) => b * Q),
        mask: isEven ? null : tf.tensor(hideGaps(gaps, T), [B, 1, 1, T]),
        compact: null,
        extend,
      };
      const states = computeStates(network, batch, null);
      const last = ops.pickRows(
        states,
        Int32Array.from({ length: B }, (_, b) => b * Q + Q - 1),
      );
      const all = ops.predict(last, getOutput(network).values).dataSync<'float32'>();
      return Array.from({ length: B }, (_, b) => all.slice(b * config.vocabSize, (b + 1) * config.vocabSize));
    });
    known = T;
  };

  const close = (): void => {
    for (const { keys, values } of kept) tf.dispose([keys, values]);
    kept.length = 0;
  };
  try {
    read(texts.map((ids, b) => [...new Array<number>(gaps[b]!).fill(config.padTokenId), ...ids]));
  } catch (error) {
    close();
    throw error;
  }
  return {
    get logits() {
      return logits;
    },
    append: (ids) => read(ids.map((id) => [id])),
    close,
  };
}

/** In a gap, and of a text that has ended while another one grows beyond the last position, nothing reads what comes of it: any place will do. */
function toPlace(place: number, maxPositions: number): number {
  return Math.min(Math.max(0, place), maxPositions - 1);
}

/** Of T positions of each text those before it begins, [B, T]. A place in a gap sees gaps alone: nothing reads what comes of that. */
function hideGaps(gaps: readonly number[], T: number): Float32Array {
  const hidden = new Float32Array(gaps.length * T);
  for (const [b, gap] of gaps.entries()) hidden.fill(-1e9, b * T, b * T + gap);
  return hidden;
}

import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { Attention } from './attention.ts';
import type { CausalBatch } from './causal-batch.ts';
import type { Dropout } from './dropout.ts';
import type { Parts } from './language-parts.ts';
import { createDefine } from './tape.ts';

/** Cosines and sines of rotary positions, of each row's own position: [M, D], the angles of the first half of a head's numbers twice. */
export interface Turns {
  readonly cos: Tensor2D;
  readonly sin: Tensor2D;
}

export interface CausalContext {
  readonly batch: CausalBatch;
  readonly heads: number;
  /** Heads of keys and values; each is for so many heads of queries side by side. */
  readonly keyHeads: number;
  readonly dropout: Dropout | null;
}

interface PairSettings {
  readonly signs: Float32Array;
  readonly start: Float32Array;
  readonly beta: number;
  readonly labelSmoothing: number;
}

/** Operations of language models: from tfjs's own kernels on every backend. Letters as in ops.ts; N tokens that are predicted. */
export interface LanguageOps {
  toIds(values: Int32Array): Tensor1D;
  /** What `compute` returns; all other tensors that it made are freed at once. Not for what will have a gradient. */
  free(compute: () => Tensor2D): Tensor2D;
  /** Rows of a table, [V, H] and int32 [M] -> [M, H] */
  lookUp(table: Tensor2D, ids: Tensor1D): Tensor2D;
  /** `x / √(mean(x²) + epsilon) * weight` over each D numbers of a row (Zhang and Sennrich 2019), D those of the weight: [M, H] -> [M, H] */
  rmsNorm(x: Tensor2D, scale: { readonly weight: Tensor1D; readonly epsilon: number }): Tensor2D;
  /** Angles `position * frequency`, for heads of twice as many numbers as there are frequencies. */
  createTurns(positions: Int32Array, frequencies: Float32Array): Turns;
  /** Rotary positions (Su et al. 2021): numbers j and j + D/2 of each head are turned by the angle j of the row's position: [M, H] -> [M, H] */
  turn(x: Tensor2D, turns: Turns): Tensor2D;
  /** `silu(gate) * x` with `silu(g) = g / (1 + e^-g)` (Shazeer 2020), element by element: [M, F], [M, F] -> [M, F] */
  gate(gate: Tensor2D, x: Tensor2D): Tensor2D;
  /** `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`: GELU as GPT-2 computes it, element by element */
  geluOfTanh(x: Tensor2D): Tensor2D;
  /** The row of each place, [M, H] -> [N, H]; no place occurs twice. */
  pickRows(x: Tensor2D, places: Int32Array): Tensor2D;
  /**
   * `log softmax(x tableᵀ)` at the token of each row: [N, H], [V, H] -> [N]. Computed in blocks of rows, and once more for the gradient, so that
   * no matrix of all rows and all tokens is kept. A table that is not trained has no gradient.
   */
  logProbabilities(x: Tensor2D, table: { readonly values: Tensor2D; readonly isTrained: boolean }, tokens: Int32Array): Tensor1D;
  /** The logits of all tokens, without a gradient: [N, H], [V, H] -> [N, V] */
  predict(x: Tensor2D, table: Tensor2D): Tensor2D;
  /** Attention of each position to those before it and to itself: [B*Q, A*D], [B*T, G*D], [B*T, G*D] -> [B*Q, A*D], G heads of keys for A of queries */
  causalAttention(q: Tensor2D, k: Tensor2D, v: Tensor2D, context: CausalContext): Tensor2D;
  /**
   * The sum over pairs of `-(1 - s) log σ(m) - s log σ(-m)`, s the label smoothing, `m = beta (Σ signs x - start)`: [N] -> a scalar, with the signs
   * [B, N] of each pair in rows, and B numbers in `start`.
   */
  pairLoss(x: Tensor1D, pairs: PairSettings): Tensor;
  /** Minus the sum: [N] -> a scalar */
  negativeSum(x: Tensor1D): Tensor;
}

/** So many numbers of logits are kept at once, 16 MB. */
const mostLogits = 2 ** 22;

export function createLanguageOps(tf: TensorFlow, parts: Parts, attention: Attention): LanguageOps {
  const define = createDefine(tf);

  const lookUp: LanguageOps['lookUp'] = (table, ids) =>
    define((save, table: Tensor2D) => {
      save([ids]);
      return {
        value: tf.gather(table, ids),
        gradFunc: (dy, [ids]) => tf.scatterND(tf.reshape(ids!, [-1, 1]), dy, table.shape),
      };
    })(table);

  const toIds: LanguageOps['toIds'] = (values) => tf.tensor1d(values, 'int32');

  const rmsNorm: LanguageOps['rmsNorm'] = (x, { weight, epsilon }) => {
    const D = weight.shape[0];
    const toRows = (x: Tensor): Tensor2D => tf.reshape(x, [x.size / D, D]);
    return define((save, x: Tensor2D, weight: Tensor1D) => {
      const rows = toRows(x);
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(rows), -1, true), epsilon)); // [M * H / D, 1]
      const normal = tf.mul(rows, inverse);
      save([normal, inverse, weight]);
      const y: Tensor2D = tf.reshape(tf.mul(normal, weight), x.shape);
      return {
        value: y,
        gradFunc: (dy, [normal, inverse, weight]) => {
          const d = toRows(dy);
          const dNormal = tf.mul(d, weight!);
          const along = tf.mul(normal!, tf.mean(tf.mul(dNormal, normal!), -1, true));
          const dWeight = tf.matMul(tf.ones([1, d.shape[0]]), tf.mul(d, normal!));
          return [tf.reshape(tf.mul(inverse!, tf.sub(dNormal, along)), dy.shape), tf.reshape(dWeight, [D])];
        },
      };
    })(x, weight);
  };

  const createTurns: LanguageOps['createTurns'] = (positions, frequencies) => {
    const [M, D] = [positions.length, 2 * frequencies.length];
    // Rounded to single precision where PyTorch does it.
    const angles = new Float32Array(M * D);
    for (let i = 0; i < M; i++) for (let j = 0; j < D; j++) angles[i * D + j] = positions[i]! * frequencies[j % frequencies.length]!;
    return { cos: tf.tensor2d(angles.map(Math.cos), [M, D]), sin: tf.tensor2d(angles.map(Math.sin), [M, D]) };
  };

  const turn: LanguageOps['turn'] = (x, turns) => {
    const [[M, H], D] = [x.shape, turns.cos.shape[1]];
    const A = H / D;
    const exchange = (x: Tensor): Tensor => {
      const heads = tf.reshape(x, [M * A, D]);
      const [first, second] = [tf.slice(heads, [0, 0], [M * A, D / 2]), tf.slice(heads, [0, D / 2], [M * A, D / 2])];
      return tf.reshape(tf.concat([tf.neg(second), first], 1), [M, A, D]);
    };
    const apply = (x: Tensor, cos: Tensor, sin: Tensor): Tensor2D => {
      const [c, s] = [tf.reshape(cos, [M, 1, D]), tf.reshape(sin, [M, 1, D])];
      return tf.reshape(tf.add(tf.mul(tf.reshape(x, [M, A, D]), c), tf.mul(exchange(x), s)), [M, H]);
    };
    return define((save, x: Tensor2D) => {
      save([turns.cos, turns.sin]);
      return { value: apply(x, turns.cos, turns.sin), gradFunc: (dy, [cos, sin]) => [apply(dy, cos!, tf.neg(sin!))] };
    })(x);
  };

  const gate = define((save, gate: Tensor2D, x: Tensor2D) => {
    const share = tf.sigmoid(gate);
    const opened = tf.mul<Tensor2D>(gate, share);
    save([gate, share, opened, x]);
    return {
      value: tf.mul<Tensor2D>(opened, x),
      gradFunc: (dy, [gate, share, opened, x]) => {
        const slope = tf.mul(share!, tf.add(1, tf.mul(gate!, tf.sub(1, share!))));
        return [tf.mul(tf.mul(dy, x!), slope), tf.mul(dy, opened!)];
      },
    };
  });

  const geluOfTanh = define((save, x: Tensor2D) => {
    const factor = Math.sqrt(2 / Math.PI);
    const square = tf.square(x);
    const t = tf.tanh(tf.mul(tf.mul(x, factor), tf.add(1, tf.mul(square, 0.044715))));
    save([x, square, t]);
    return {
      value: tf.mul<Tensor2D>(tf.mul(x, 0.5), tf.add(1, t)),
      gradFunc: (dy, [x, square, t]) => {
        const inner = tf.mul(factor, tf.add(1, tf.mul(square!, 3 * 0.044715)));
        const slope = tf.add(tf.mul(0.5, tf.add(1, t!)), tf.mul(tf.mul(tf.mul(x!, 0.5), tf.sub(1, tf.square(t!))), inner));
        return [tf.mul(dy, slope)];
      },
    };
  });

  /** Each head of D numbers so many times, one copy beside the other: [M, A*D] -> [M, A*times*D] */
  const repeatHeads = (x: Tensor2D, { count: A, times }: { count: number; times: number }): Tensor2D => {
    if (times === 1) return x;
    const [M, H] = x.shape;
    const D = H / A;
    return define((_save, x: Tensor2D) => {
      const y: Tensor2D = tf.reshape(tf.tile(tf.reshape(x, [M * A, 1, D]), [1, times, 1]), [M, A * times * D]);
      return { value: y, gradFunc: (dy) => tf.reshape(tf.sum(tf.reshape(dy, [M * A, times, D]), 1), [M, H]) };
    })(x);
  };

  const pickRows: LanguageOps['pickRows'] = (x, places) => {
    const { shape } = x;
    return define((save, x: Tensor2D) => {
      const at = tf.tensor1d(places, 'int32');
      save([at]);
      return {
        value: tf.gather(x, at),
        gradFunc: (dy, [at]) => tf.scatterND(tf.reshape(at!, [-1, 1]), dy, shape),
      };
    })(x);
  };

  const logProbabilities: LanguageOps['logProbabilities'] = (x, { values: table, isTrained }, tokens) => {
    const [[N, H], V] = [x.shape, table.shape[0]];
    const rows = Math.max(1, Math.floor(mostLogits / V));
    const blocks = Array.from({ length: Math.ceil(N / rows) }, (_, i) => ({ first: i * rows, count: Math.min(rows, N - i * rows) }));
    const take = (x: Tensor, first: number, count: number): Tensor2D => tf.slice(x as Tensor2D, [first, 0], [count, H]);
    const takeTokens = (first: number, count: number): Tensor1D => tf.tensor1d(tokens.subarray(first, first + count), 'int32');
    const compute = (x: Tensor2D, table: Tensor2D): Tensor1D =>
      tf.concat1d(
        blocks.map(({ first, count }) =>
          tf.tidy(() => parts.pickLogSoftmax(parts.withTransposed(take(x, first, count), table), takeTokens(first, count))),
        ),
      );
    /** The gradient of x, and that of the table where it is trained. */
    const toGradients = (dy: Tensor, x: Tensor2D, table: Tensor2D): Tensor2D[] => {
      const dx: Tensor2D[] = [];
      let dTable: Tensor2D | null = null;
      for (const { first, count } of blocks) {
        const before: Tensor2D | null = dTable;
        const [own, sum]: Tensor2D[] = tf.tidy((): Tensor2D[] => {
          const rows = take(x, first, count);
          const picked = { tokens: takeTokens(first, count), dy: tf.slice(dy as Tensor1D, [first], [count]) };
          const dLogits = parts.toLogitGradient(parts.withTransposed(rows, table), picked);
          const dRows = parts.plain(dLogits, table);
          if (!isTrained) return [dRows];
          const share = parts.ofTransposed(dLogits, rows);
          return [dRows, before === null ? share : tf.add<Tensor2D>(before, share)];
        });
        before?.dispose();
        dx.push(own!);
        dTable = sum ?? null;
      }
      return [tf.concat2d(dx, 0), ...(dTable === null ? [] : [dTable])];
    };
    const ofTrained = define((save, x: Tensor2D, table: Tensor2D) => {
      save([x, table]);
      return { value: compute(x, table), gradFunc: (dy, [x, table]) => toGradients(dy, x as Tensor2D, table as Tensor2D) };
    });
    const ofFrozen = define((save, x: Tensor2D) => {
      save([x, table]);
      return { value: compute(x, table), gradFunc: (dy, [x, table]) => toGradients(dy, x as Tensor2D, table as Tensor2D) };
    });
    return isTrained ? ofTrained(x, table) : ofFrozen(x);
  };

  const causalAttention: LanguageOps['causalAttention'] = (q, k, v, { batch, heads, keyHeads, dropout }) => {
    const [{ texts, positions: Q }, times] = [batch.sizes, heads / keyHeads];
    const T = k.shape[0] / texts;
    const sizes = { batch: texts, queries: Q, keys: T, heads };
    const [keys, values] = [k, v].map((x) => repeatHeads(x, { count: keyHeads, times })) as [Tensor2D, Tensor2D];
    const behind = Float32Array.from({ length: Q * T }, (_, i) => (i % T > T - Q + Math.floor(i / T) ? -1e9 : 0));
    const mask = tf.tensor(behind, [1, 1, Q, T]);
    return attention(q, keys, values, { mask: batch.mask ? tf.add(mask, batch.mask) : mask, sizes, dropout });
  };

  const pairLoss: LanguageOps['pairLoss'] = (x, { signs: values, start, beta, labelSmoothing }) =>
    define((save, x: Tensor1D) => {
      const [B, N] = [start.length, x.shape[0]];
      const signs = tf.tensor2d(values, [B, N]);
      const margins = tf.mul<Tensor2D>(tf.sub(tf.matMul(signs, tf.reshape(x, [N, 1])), tf.tensor2d(start, [B, 1])), beta); // [B, 1]
      const softplus = (m: Tensor): Tensor => tf.add(tf.relu(m), tf.log1p(tf.exp(tf.neg(tf.abs(m)))));
      const losses = tf.add(tf.mul(softplus(tf.neg(margins)), 1 - labelSmoothing), tf.mul(softplus(margins), labelSmoothing));
      save([signs, tf.sub(tf.sigmoid(margins), 1 - labelSmoothing)]);
      return {
        value: tf.sum(losses),
        gradFunc: (dy, [signs, slope]) =>
          tf.reshape(tf.matMul(tf.reshape(tf.mul(slope!, tf.mul(dy, beta)), [1, B]), signs as Tensor2D), [N]),
      };
    })(x);

  const negativeSum = define((save, x: Tensor1D) => {
    save([x]);
    return { value: tf.neg(tf.sum(x)), gradFunc: (dy, [x]) => [tf.mul(tf.neg(dy), tf.onesLike(x!))] };
  });

  return {
    free: (compute) => tf.tidy(compute),
    toIds,
    lookUp,
    rmsNorm,
    createTurns,
    turn,
    gate,
    geluOfTanh,
    pickRows,
    logProbabilities,
    predict: (x, table) => parts.withTransposed(x, table),
    causalAttention,
    pairLoss,
    negativeSum,
  };
}

/** What a training needs on this machine: a formula over shapes, with constants that `bench/models.ts` and `bench/adapters.ts` measure. */
import table from './measured.json' with { type: 'json' };
import type { LocalRequest } from './translate.ts';

/** The sizes of an encoder: see `ModelConfig`. */
export interface Sizes {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
}

/** Rows that are computed together, and tokens of each. */
export interface BatchShape {
  readonly rows: number;
  readonly tokens: number;
}

/** measured.json. A constant belongs to the count of the same place. */
export interface Measured {
  readonly machine: string;
  readonly date: string;
  readonly versions: string;
  /** Milliseconds of a step for each count of `countWork`. */
  readonly work: readonly number[];
  /** The share of a forward pass in a step. */
  readonly forward: number;
  /** Bytes of WebAssembly for each count of `countMemory`. */
  readonly wasm: readonly number[];
  /** Bytes of the process beside WebAssembly: always, and for each parameter. */
  readonly process: readonly [always: number, each: number];
  /** Bytes of a trainer beside its steps: rows, tokenizer, files. From whole trainings of the sample job. */
  readonly program: number;
  /** What whole trainings take beside the steps of `work`: see `bench/trainings.ts`. */
  readonly training: TrainingConstants;
  readonly models: readonly MeasuredModel[];
  /** Of adapters: see `bench/adapters.ts`. */
  readonly adapters: Readonly<Record<'lora' | 'head', AdapterConstants>>;
  /** Steps that no constant was fitted to. */
  readonly checked: readonly (Omit<MeasuredModel, 'parameters' | 'rowsPerSecond'> & { readonly kind: Kind })[];
}

/** What is trained. */
type Kind = 'full' | 'lora' | 'head';

export interface AdapterConstants {
  /** A step, in forward passes. */
  readonly step: number;
  /** Bytes of WebAssembly, and of the whole process, for each count of `countMemory`. */
  readonly wasm: readonly number[];
  readonly memory: readonly number[];
}

interface TrainingConstants {
  /** Seconds to start, read, and save: always, and for each million of parameters. */
  readonly start: readonly [always: number, each: number];
  /** A step on average, by the fastest of a few, which is what was measured for `work`. */
  readonly step: number;
  /** Milliseconds for each million of parameters of a further part of a batch, whose gradients are added up. */
  readonly part: number;
}

/** A row of `models local`; what was measured, and nothing that was computed. */
export interface MeasuredModel {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly parameters: number;
  readonly batch: BatchShape;
  readonly rowsPerSecond: number;
  readonly memoryBytes: number;
}

export const measured = table as unknown as Measured;

/** Numbers of the tables, and of the linear maps. */
export function countParts({ layers, hiddenSize: H, intermediateSize: F, vocabSize, maxPositions }: Sizes): {
  readonly tables: number;
  readonly maps: number;
} {
  return { tables: (vocabSize + maxPositions + 2) * H, maps: layers * (4 * H * H + 2 * H * F) + H * H };
}

/** Bytes that a step needs in WebAssembly, up to a factor each: always, tables, linear maps, results of a layer, attention. */
export function countMemory(sizes: Sizes, { rows, tokens }: BatchShape): number[] {
  const { layers, hiddenSize: H, intermediateSize: F, heads } = sizes;
  const { tables, maps } = countParts(sizes);
  return [1, 4 * tables, 4 * maps, 4 * layers * rows * tokens * (6 * H + 2 * F), 4 * layers * rows * heads * tokens ** 2];
}

/** Operations of a step, in millions, up to a factor each: always, layers, products, elements, attention, optimizer. */
export function countWork(sizes: Sizes, { rows, tokens }: BatchShape): number[] {
  const { layers, hiddenSize: H, intermediateSize: F, heads } = sizes;
  const { tables, maps } = countParts(sizes);
  const all = rows * tokens;
  const layer = 4 * H * H + 2 * H * F;
  // The last layer computes the first token of each row only: see families/encoder.ts.
  const products = (layers - 1) * all * layer + 2 * all * H * H + rows * (layer - 2 * H * H);
  const elements = layers * all * (6 * H + 2 * F);
  const attention = layers * rows * tokens ** 2 * (2 * H + 4 * heads);
  return [1, layers, products / 1e6, elements / 1e6, attention / 1e6, (tables + maps) / 1e6];
}

export function sumProducts(counts: readonly number[], constants: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + count * constants[i]!, 0);
}

/** Tokens of a row, on average and at most. */
export interface TextLength {
  readonly mean: number;
  readonly most: number;
}

export interface TrainingNeeds {
  /** Of all steps and validations. */
  readonly seconds: number;
  /** To start, read and save. */
  readonly startSeconds: number;
  readonly steps: number;
  /** Of a step, on average. */
  readonly batch: BatchShape;
  readonly wasmBytes: number;
  /** Of the whole process. */
  readonly memoryBytes: number;
}

/** What a training is made of, beside its settings. */
export interface TrainingSize {
  readonly rows: number;
  readonly validationRows: number;
  readonly length: TextLength;
  /** Threads that share each batch; absent: one. */
  readonly threads?: number;
}

/** Kernels work on four numbers at once. */
const pad = (tokens: number): number => 4 * Math.ceil(tokens / 4);

/** What a training needs, where the shape of its model is known. Rows of similar length are computed together, so that padding is small. */
export function computeNeeds(
  { training, model }: Pick<LocalRequest, 'training' | 'model'>,
  sizes: Sizes,
  { rows, validationRows, length, threads = 1 }: TrainingSize,
): TrainingNeeds {
  const { batchSize, microBatchSize, epochs, steps, select } = training;
  const { tables, maps } = countParts(sizes);
  const toTokens = (tokens: number): number => pad(Math.min(model.maxLength, Math.max(1, tokens)));
  const mean = { rows: Math.min(batchSize, rows), tokens: toTokens(length.mean) };
  const { start, step, part } = measured.training;
  const fullMs = step * computeStepMs(sizes, mean, threads);
  const kind = training.adapter?.type ?? 'full';
  const millions = (tables + maps) / 1e6;
  const addingMs = (Math.ceil(mean.rows / microBatchSize) - 1) * part * millions;
  const stepMs = kind === 'full' ? fullMs + addingMs : fullMs * measured.forward * measured.adapters[kind].step;
  const perEpoch = Math.ceil(rows / batchSize);
  const total = steps ?? Math.ceil((epochs ?? 0) * perEpoch);
  const validations = Math.ceil(total / perEpoch) * (validationRows / mean.rows);
  const micro = { rows: Math.ceil(Math.min(microBatchSize, rows) / threads), tokens: toTokens(length.most) };
  const { wasmBytes, memoryBytes } = predictMemory(sizes, micro, { kind, measured });
  // The best weights so far are a further copy of what is trained; gradients that are added up are one, beside those of the part before.
  const copies = kind === 'full' ? (select === 'best' ? 1 : 0) + (microBatchSize < mean.rows ? 2 : 0) : 0;
  const others = (threads - 1) * (wasmBytes + threadBytes + 4 * (tables + maps)); // which have weights and gradients in shared memory
  const seconds = (total * stepMs + validations * fullMs * measured.forward) / 1000;
  const copied = 4 * copies * (tables + maps);
  const startSeconds = start[0] + start[1] * millions;
  return { seconds, startSeconds, steps: total, batch: mean, wasmBytes, memoryBytes: memoryBytes + measured.program + copied + others };
}

/** Most memory of a step over this batch, where all of it is computed at once. */
export function predictMemory(
  sizes: Sizes,
  batch: BatchShape,
  { kind, measured: constants }: { readonly kind: Kind; readonly measured: Measured },
): Pick<TrainingNeeds, 'wasmBytes' | 'memoryBytes'> {
  const counts = countMemory(sizes, batch);
  if (kind !== 'full') {
    const { wasm, memory } = constants.adapters[kind];
    return { wasmBytes: sumProducts(counts, wasm), memoryBytes: sumProducts(counts, memory) };
  }
  const wasmBytes = sumProducts(counts, constants.wasm);
  const [always, each] = constants.process;
  const { tables, maps } = countParts(sizes);
  return { wasmBytes, memoryBytes: wasmBytes + always + each * (tables + maps) };
}

/** What a thread takes beside WebAssembly and its shared memory. */
const threadBytes = 15e6;

/**
 * Threads share all but the optimizer. What they exchange, numbers of every parameter too, takes about as long as the optimizer for each
 * further thread.
 */
function computeStepMs(sizes: Sizes, shape: BatchShape, threads: number): number {
  const work = countWork(sizes, shape).map((count, i) => count * measured.work[i]!);
  const optimizer = work.pop()!;
  return work.reduce((sum, part) => sum + part, 0) / threads + optimizer * threads;
}

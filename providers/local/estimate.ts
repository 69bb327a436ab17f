/** How long a training takes on this machine, and how much memory: a formula over shapes, with constants that `bench/models.ts` measures. */
import { totalmem } from 'node:os';
import { Failure } from '../../src/errors.ts';
import { formatBytes } from '../../src/lib/text.ts';
import type { QuoteContext } from '../../src/provider/context.ts';
import type { Estimate } from '../../src/provider/provider.ts';
import table from './measured.json' with { type: 'json' };
import { defaultBackend, getBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import { chooseBackend, type Choice } from './choose-backend.ts';
import { chooseThreads, countCores } from './choose-threads.ts';
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
  readonly seconds: number;
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
  const fullMs = computeStepMs(sizes, mean, threads);
  const kind = training.adapter?.type ?? 'full';
  const stepMs = kind === 'full' ? fullMs : fullMs * measured.forward * measured.adapters[kind].step;
  const perEpoch = Math.ceil(rows / batchSize);
  const total = steps ?? Math.ceil((epochs ?? 0) * perEpoch);
  const validations = Math.ceil(total / perEpoch) * (validationRows / mean.rows);
  const micro = { rows: Math.ceil(Math.min(microBatchSize, rows) / threads), tokens: toTokens(length.most) };
  const { wasmBytes, memoryBytes } = predictMemory(sizes, micro, { kind, measured });
  // The best weights so far, and gradients that are added up, are further copies of what is trained.
  const copies = kind === 'full' ? (select === 'best' ? 1 : 0) + (microBatchSize < mean.rows ? 1 : 0) : 0;
  const others = (threads - 1) * (wasmBytes + threadBytes + 4 * (tables + maps)); // which have weights and gradients in shared memory
  const seconds = (total * stepMs + validations * fullMs * measured.forward) / 1000;
  const copied = 4 * copies * (tables + maps);
  return { seconds, steps: total, batch: mean, wasmBytes, memoryBytes: memoryBytes + measured.program + copied + others };
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

/** WebAssembly has addresses of 32 bits. */
export const wasmLimit = 4 * 2 ** 30;

/**
 * Refuses what cannot fit, with both numbers and what would fit.
 * @param getNeeds for so many rows in a forward pass
 * @throws Failure `job-file-invalid`
 */
export function checkFit(microBatchSize: number, getNeeds: (microBatchSize: number) => TrainingNeeds, machineBytes: number): void {
  const fits = ({ wasmBytes, memoryBytes }: TrainingNeeds): boolean => wasmBytes <= wasmLimit && memoryBytes <= machineBytes;
  const needs = getNeeds(microBatchSize);
  if (fits(needs)) return;
  const { wasmBytes, memoryBytes } = needs;
  const message =
    wasmBytes > wasmLimit
      ? `a step with ${microBatchSize} rows needs about ${formatBytes(wasmBytes)} in WebAssembly, which has ${formatBytes(wasmLimit)} at most`
      : `the training needs about ${formatBytes(memoryBytes)} of memory, and this machine has ${formatBytes(machineBytes)}`;
  const smaller = Array.from({ length: microBatchSize - 1 }, (_, i) => microBatchSize - 1 - i).find((rows) => fits(getNeeds(rows)));
  throw new Failure('job-file-invalid', message, {
    hint:
      smaller === undefined
        ? 'take a smaller model (`orchestrate models local` lists sizes), or set a smaller training.maxLength'
        : `set options.microBatchSize of the target to ${smaller} (the same result with less memory), or a smaller training.maxLength, or take a smaller model`,
  });
}

/** Predictions are this share of the truth at least. */
const certainty = 0.9;
/** A token of a longest text has more characters than this, in scripts with spaces; where it has fewer, `estimate` finds out. */
const charactersPerToken = 3;

/**
 * How many rows of a batch are computed at once: all of them, or in so few equal parts that the memory of the backend, which is the same on
 * every machine, is enough for the longest text.
 */
export function chooseMicroBatch({ model, backend, training }: Omit<LocalRequest, 'name'>, longestCharacters: number): number {
  const { batchSize } = training;
  if (model.config === undefined || (backend !== 'auto' && backend !== defaultBackend)) return batchSize;
  const sizes = model.config as unknown as Sizes;
  const tokens = 2 + Math.ceil(longestCharacters / charactersPerToken);
  const data = { rows: batchSize, validationRows: 0, length: { mean: tokens, most: tokens } };
  const fits = (microBatchSize: number): boolean =>
    computeNeeds({ model, training: { ...training, microBatchSize } }, sizes, data).wasmBytes <= certainty * wasmLimit;
  const toEqual = (parts: number): number => Math.ceil(batchSize / parts);
  const parts = Array.from({ length: batchSize }, (_, i) => i + 1).find((count) => fits(toEqual(count)));
  return parts === undefined ? batchSize : toEqual(parts); // where not even one row fits, the estimate says so
}

/** The machine's memory, or what a container may have of it. */
function getMachineMemory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(totalmem(), allowed) : totalmem();
}

/** So many rows tell how long the texts are. */
const sampledRows = 1000;
/** Tokens a word, of English text with a vocabulary of 30,000. */
const tokensPerWord = 1.3;

/** Words, digits, marks, and single characters of scripts without spaces. */
export function countWords(text: string): number {
  return (
    text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}]+|\p{N}+|[^\s\p{L}\p{M}\p{N}]/gu)
      ?.length ?? 0
  );
}

/** The length of the training texts, from the first of them; the longest from its characters. */
async function measureTexts(context: QuoteContext): Promise<TextLength> {
  let [rows, words, characters] = [0, 0, 0];
  for await (const row of context.readRows('train')) {
    if (!('text' in row)) break;
    const text = row.text2 === undefined ? row.text : `${row.text} ${row.text2}`;
    words += countWords(text);
    characters += text.length;
    if (++rows === sampledRows) break;
  }
  const [special, each] = [2, tokensPerWord * words];
  const longest = Math.max(context.facts.train.longestCharacters, context.facts.validation?.longestCharacters ?? 0);
  return { mean: special + each / Math.max(1, rows), most: special + (each * longest) / Math.max(1, characters) };
}

/** What is known of a training before it begins; `threads` are those that it has on the default backend. */
async function readWorkload({ model, training, threads: wanted }: LocalRequest, context: QuoteContext) {
  const sizes = model.config as unknown as Sizes;
  const { train, validation } = context.facts;
  const data = { rows: train.rows, validationRows: validation?.rows ?? 0, length: await measureTexts(context) };
  const getNeeds = (microBatchSize: number, threads: number): TrainingNeeds =>
    computeNeeds({ model, training: { ...training, microBatchSize } }, sizes, { ...data, threads });
  const limits = { cores: countCores(context), bytes: getMachineMemory() };
  const threads = chooseThreads(
    { ...(wanted !== undefined && { threads: wanted }) },
    (count) => getNeeds(training.microBatchSize, count),
    limits,
  );
  const { steps, batch, wasmBytes } = getNeeds(training.microBatchSize, threads);
  const shape = { config: { ...model.config }, ...batch, isHeadOnly: training.adapter?.type === 'head' };
  return { threads, getNeeds: (rows: number) => getNeeds(rows, threads), workload: { shape, steps, fitsDefault: wasmBytes <= wasmLimit } };
}

/** The backend that `auto` stands for, which is the default one where the sizes of the model are not known, and the threads that share batches. */
export async function chooseFor(
  request: LocalRequest,
  context: QuoteContext,
): Promise<Pick<Choice, 'backend'> & { readonly threads: number }> {
  const { backend: wanted, model, threads: asked = 1 } = request;
  const named = wanted === 'auto' ? defaultBackend : wanted;
  if (model.config === undefined || named !== defaultBackend) return { backend: named, threads: asked };
  const { workload, threads } = await readWorkload(request, context);
  const backend = wanted === 'auto' ? (await chooseBackend(workload, context)).backend : wanted;
  return { backend, threads: backend === defaultBackend ? threads : 1 };
}

/**
 * As `Training.estimate` says. A backend that the job names has none, unless it is the measured one.
 * @throws Failure `job-file-invalid` for a backend that this machine does not have
 */
export async function estimate(request: LocalRequest, context: QuoteContext): Promise<Estimate | null> {
  const { model, training, backend: wanted } = request;
  if (wanted !== 'auto') checkPresence(wanted, context);
  if (model.config === undefined || (wanted !== 'auto' && wanted !== defaultBackend)) return null;
  const { getNeeds, workload, threads } = await readWorkload(request, context);
  const { backend, speed, why } = wanted === 'auto' ? await chooseBackend(workload, context) : { backend: wanted, speed: null, why: null };
  const measuredHere = why === null ? '' : `${backend} is the fastest here: ${why}`;
  if (speed !== null && backend !== defaultBackend) {
    const seconds = (speed.startMs + workload.steps * speed.milliseconds) / 1000;
    return { seconds, memoryBytes: speed.memoryBytes, source: measuredHere };
  }
  checkFit(training.microBatchSize, getNeeds, getMachineMemory());
  const { seconds, memoryBytes } = getNeeds(training.microBatchSize);
  const source = `estimated from steps on ${measured.machine}${threads > 1 ? `, ${threads} threads` : ''}`;
  return { seconds, memoryBytes, source: why === null ? source : `${source}; ${measuredHere}` };
}

/** @throws Failure `job-file-invalid` */
function checkPresence(name: BackendName, { setting }: QuoteContext): void {
  const { check, hint } = getBackend(name);
  const problem = check(setting);
  if (problem !== null) throw new Failure('job-file-invalid', `options.backend: "${name}" cannot be started here: ${problem}`, { hint });
}

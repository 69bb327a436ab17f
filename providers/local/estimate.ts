/** How long a training takes on this machine, and how much memory, told before it begins; what that decides. */
import { totalmem } from 'node:os';
import { Failure } from '../../src/errors.ts';
import { formatBytes } from '../../src/lib/text.ts';
import type { QuoteContext } from '../../src/provider/context.ts';
import type { Estimate } from '../../src/provider/provider.ts';
import { defaultBackend, getBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import { chooseBackend, type Choice } from './choose-backend.ts';
import { chooseThreads, countCores } from './choose-threads.ts';
import { computeNeeds, measured, type Sizes, type TextLength, type TrainingNeeds } from './needs.ts';
import type { LocalRequest } from './translate.ts';

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
export function getMachineMemory(): number {
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
  const shape = { config: { ...model.config }, ...batch, adapter: training.adapter ?? null, threads };
  return { threads, getNeeds: (rows: number) => getNeeds(rows, threads), workload: { shape, steps, fitsDefault: wasmBytes <= wasmLimit } };
}

/** What a training begins with. */
export interface Chosen extends Pick<Choice, 'backend'> {
  /** Threads that share each batch. */
  readonly threads: number;
  /** What it needs; null where that is not known. */
  readonly memoryBytes: number | null;
}

/** The backend that `auto` stands for, which is the default one where the sizes of the model are not known. */
export async function chooseFor(request: LocalRequest, context: QuoteContext): Promise<Chosen> {
  const { backend: wanted, model, training, threads: asked = 1 } = request;
  const named = wanted === 'auto' ? defaultBackend : wanted;
  if (request.task !== undefined || model.config === undefined || named !== defaultBackend)
    return { backend: named, threads: asked, memoryBytes: null };
  const { workload, threads, getNeeds } = await readWorkload(request, context);
  const { backend, speed } = wanted === 'auto' ? await chooseBackend(workload, context) : { backend: wanted, speed: null };
  if (backend !== defaultBackend) return { backend, threads: 1, memoryBytes: speed?.memoryBytes ?? null };
  return { backend, threads, memoryBytes: getNeeds(training.microBatchSize).memoryBytes };
}

/**
 * As `Training.estimate` says. A backend that the job names has none, unless it is the measured one.
 * @throws Failure `job-file-invalid` for a backend that this machine does not have
 */
export async function estimate(request: LocalRequest, context: QuoteContext): Promise<Estimate | null> {
  const { model, training, backend: wanted } = request;
  if (wanted !== 'auto') checkPresence(wanted, context);
  if (request.task !== undefined || model.config === undefined || (wanted !== 'auto' && wanted !== defaultBackend)) return null;
  const { getNeeds, workload, threads } = await readWorkload(request, context);
  const { backend, speed, why } = wanted === 'auto' ? await chooseBackend(workload, context) : { backend: wanted, speed: null, why: null };
  const measuredHere = why === null ? '' : `${backend} is the fastest here: ${why}`;
  if (speed !== null && backend !== defaultBackend) {
    const seconds = (speed.startMs + workload.steps * speed.milliseconds) / 1000;
    return { seconds, memoryBytes: speed.memoryBytes, source: measuredHere };
  }
  checkFit(training.microBatchSize, getNeeds, getMachineMemory());
  const { seconds, startSeconds, memoryBytes } = getNeeds(training.microBatchSize);
  const source = `estimated from steps on ${measured.machine}${threads > 1 ? `, ${threads} threads` : ''}`;
  return { seconds: startSeconds + seconds, memoryBytes, source: why === null ? source : `${source}; ${measuredHere}` };
}

/** @throws Failure `job-file-invalid` */
function checkPresence(name: BackendName, { setting }: QuoteContext): void {
  const { check, hint } = getBackend(name);
  const problem = check(setting);
  if (problem !== null) throw new Failure('job-file-invalid', `options.backend: "${name}" cannot be started here: ${problem}`, { hint });
}

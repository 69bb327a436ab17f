import { availableParallelism, freemem } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../errors.ts';
import { parseFields } from '../lib/json.ts';
import { readLines } from '../lib/lines.ts';
import { formatValue } from '../lib/text.ts';
import { getBackend, startBackend, type BackendName } from './backends/index.ts';
import { closeNetwork } from './engine/network.ts';
import { computeAllLogits, openClassifier, toLabelProbabilities, type Classifier } from './tasks/classification/classifier.ts';
import { getKernels } from './kernels/index.ts';
import { openWorkers, type Workers } from './workers/index.ts';
import { PredictFile, type PredictAnswer } from './predict-protocol.ts';
import { encodeText, parseLine, parseRow, type EncodedRow } from './tasks/classification/rows.ts';

/** Rows that are answered together: enough to find some of one length, few enough for the memory. */
const mostGathered = 4096;

interface WaitingRow {
  readonly id: string;
  readonly row: EncodedRow;
  readonly truncated: boolean;
}

/**
 * Answers rows until the input ends. The first line is a PredictFile, each further one a PredictRow; each answer is a line with a
 * PredictAnswer. Rows are gathered as long as the input has more to give at once.
 *
 * @throws Failure `data-invalid` naming the line, and as `openClassifier`
 */
export async function runPrediction(input: Readable, output: Writable): Promise<void> {
  let model: Model | null = null;
  const waiting: WaitingRow[] = [];
  let line = 0;
  const answerWaiting = async (answering: Model): Promise<void> => await write(output, await answer(answering, waiting.splice(0)));
  try {
    for await (const lines of readLines(input as AsyncIterable<Buffer>, 'standard input')) {
      await setImmediate(); // lets what is already in the pipe arrive, so that more rows are answered together
      for (const bytes of lines) {
        const source = `standard input, line ${++line}`;
        if (model) waiting.push(...parseWaiting(model.classifier, bytes, source));
        else model = await openModel(bytes, source);
        if (model && waiting.length >= mostGathered) await answerWaiting(model);
      }
      if (model && input.readableLength === 0) await answerWaiting(model);
    }
    if (!model) throw new Failure('data-invalid', 'standard input: expected a first line that names the model, found nothing');
    await answerWaiting(model);
    closeNetwork(model.classifier);
  } finally {
    await model?.helpers?.close();
  }
}

/** A model that answers. */
interface Model {
  readonly classifier: Classifier;
  readonly backend: BackendName;
  /** A second thread; undefined: not yet, null: never. */
  helpers: Workers | null | undefined;
  /** Tokens that it was asked about. */
  tokens: number;
}

/** A second thread takes half a second to start, which pays after this many products of two numbers: some two seconds' work. */
const workOfOne = 3e10;

/** Starts a second thread where there is so much to do that it pays, a core for it, and memory. An answer has the same bits with it. */
async function openHelpers({ classifier, backend, tokens }: Model): Promise<Workers | null | undefined> {
  const { layers, hiddenSize, intermediateSize } = classifier.config;
  if (tokens * layers * (4 * hiddenSize ** 2 + 2 * hiddenSize * intermediateSize) < workOfOne) return undefined;
  const bytes = [...classifier.parameters.values()].reduce((sum, { size }) => sum + 4 * size, 0);
  if (getBackend(backend).threads > 1 || availableParallelism() < 2 || freemem() < 4 * bytes) return null;
  const kernels = getKernels(classifier.tf)?.variant ?? null;
  return await openWorkers(classifier, { count: 1, backend, kernels });
}

async function openModel(line: Buffer, source: string): Promise<Model | null> {
  const json = parseLine(line, source);
  if (json === null) return null;
  const { backend, model } = parseFields(PredictFile, json, { source, code: 'data-invalid' });
  return { classifier: openClassifier(await startBackend(backend), model), backend, helpers: undefined, tokens: 0 };
}

/** The row of a line; none in an empty line. */
function parseWaiting(classifier: Classifier, line: Buffer, source: string): WaitingRow[] {
  const row = parseRow(line, source);
  if (row === null) return [];
  const { id } = row.json;
  if (typeof id !== 'string') throw new Failure('data-invalid', `${source}: "id": expected a string, found ${formatValue(id)}`);
  return [{ id, ...encodeText(classifier, row) }];
}

async function answer(model: Model, waiting: readonly WaitingRow[]): Promise<string> {
  const rows = waiting.map(({ row }) => row);
  model.tokens += rows.reduce((sum, { ids }) => sum + ids.length, 0);
  if (model.helpers === undefined) model.helpers = await openHelpers(model);
  const logits = computeAllLogits({ ...model.classifier, helpers: model.helpers ?? undefined }, rows);
  const toOutput = (of: readonly number[]): Pick<PredictAnswer, 'probabilities' | 'value'> =>
    model.classifier.labels.length === 0
      ? { probabilities: [], value: of[0]! }
      : { probabilities: toLabelProbabilities(model.classifier, of) };
  const answers = waiting.map(({ id, row: { ids }, truncated }, i): PredictAnswer => ({
    id,
    ...toOutput(logits[i]!),
    truncated,
    tokens: ids.length,
  }));
  return answers.map((one) => `${JSON.stringify(one)}\n`).join('');
}

async function write(output: Writable, text: string): Promise<void> {
  if (text !== '') await new Promise<void>((resolve, reject) => output.write(text, (error) => (error ? reject(error) : resolve())));
}

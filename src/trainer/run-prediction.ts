import type { Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../errors.ts';
import { parseFields } from '../lib/json.ts';
import { readLines } from '../lib/lines.ts';
import { formatValue } from '../lib/text.ts';
import { startBackend } from './backends/index.ts';
import { closeNetwork } from './engine/network.ts';
import { computeAllLogits, openClassifier, toProbabilities, type Classifier } from './tasks/classification/classifier.ts';
import { PredictFile, type PredictAnswer } from './protocol.ts';
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
  let classifier: Classifier | null = null;
  const waiting: WaitingRow[] = [];
  let line = 0;
  for await (const lines of readLines(input as AsyncIterable<Buffer>, 'standard input')) {
    await setImmediate(); // lets what is already in the pipe arrive, so that more rows are answered together
    for (const bytes of lines) {
      const source = `standard input, line ${++line}`;
      if (classifier) waiting.push(...parseWaiting(classifier, bytes, source));
      else classifier = await openModel(bytes, source);
      if (classifier && waiting.length >= mostGathered) await write(output, answer(classifier, waiting.splice(0)));
    }
    if (classifier && input.readableLength === 0) await write(output, answer(classifier, waiting.splice(0)));
  }
  if (!classifier) throw new Failure('data-invalid', 'standard input: expected a first line that names the model, found nothing');
  await write(output, answer(classifier, waiting));
  closeNetwork(classifier);
}

async function openModel(line: Buffer, source: string): Promise<Classifier | null> {
  const json = parseLine(line, source);
  if (json === null) return null;
  const { backend, model } = parseFields(PredictFile, json, { source, code: 'data-invalid' });
  return openClassifier(await startBackend(backend), model);
}

/** The row of a line; none in an empty line. */
function parseWaiting(classifier: Classifier, line: Buffer, source: string): WaitingRow[] {
  const row = parseRow(line, source);
  if (row === null) return [];
  const { id } = row.json;
  if (typeof id !== 'string') throw new Failure('data-invalid', `${source}: "id": expected a string, found ${formatValue(id)}`);
  return [{ id, ...encodeText(classifier, row) }];
}

function answer(classifier: Classifier, waiting: readonly WaitingRow[]): string {
  const rows = waiting.map(({ row }) => row);
  const logits = computeAllLogits(classifier, rows);
  const toOutput = (of: readonly number[]): Pick<PredictAnswer, 'probabilities' | 'value'> =>
    classifier.labels.length === 0 ? { probabilities: [], value: of[0]! } : { probabilities: toProbabilities(of) };
  const answers = waiting.map(({ id, truncated }, i): PredictAnswer => ({ id, ...toOutput(logits[i]!), truncated }));
  return answers.map((one) => `${JSON.stringify(one)}\n`).join('');
}

async function write(output: Writable, text: string): Promise<void> {
  if (text !== '') await new Promise<void>((resolve, reject) => output.write(text, (error) => (error ? reject(error) : resolve())));
}

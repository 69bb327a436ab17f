import type { Readable, Writable } from 'node:stream';
import { Failure } from '../errors.ts';
import { startBackend } from './backend.ts';
import type { EncodedRow } from './batch.ts';
import { closeClassifier, openClassifier, type Classifier } from './classifier.ts';
import { encodeText, parseTexts } from './encode-rows.ts';
import { toAllLogits, toProbabilities } from './evaluate.ts';
import type { PredictAnswer } from './files.ts';
import { parsePredictFile } from './parse-train-file.ts';
import { readStreamLines } from '../lib/lines.ts';

/** Rows that are answered together: enough to find some of one length, few enough for the memory. */
const mostGathered = 4096;

interface Waiting {
  readonly id: string;
  readonly row: EncodedRow;
  readonly truncated: boolean;
}

/**
 * Answers rows until the input ends. The first line is a PredictFile, each further one a PredictRow; each answer is a line with a
 * PredictAnswer. Rows are gathered as long as the input has more to give at once.
 *
 * @throws Failure `data-invalid` naming the line, or what opening the model says
 */
export async function runPrediction(input: Readable, output: Writable): Promise<void> {
  let classifier: Classifier | null = null;
  let waiting: Waiting[] = [];
  let line = 0;
  const answer = async (): Promise<void> => {
    if (!classifier || waiting.length === 0) return;
    const logits = toAllLogits(
      classifier,
      waiting.map(({ row }) => row),
    );
    const lines = waiting.map(({ id, truncated }, i) =>
      JSON.stringify({ id, probabilities: toProbabilities(logits[i]!), truncated } satisfies PredictAnswer),
    );
    waiting = [];
    await write(output, `${lines.join('\n')}\n`);
  };
  for await (const lines of readStreamLines(input, 'standard input')) {
    for (const text of lines) {
      line++;
      if (text.trim() === '') continue;
      if (!classifier) classifier = await open(text);
      else waiting.push(toWaiting(classifier, text, line));
      if (waiting.length >= mostGathered) await answer();
    }
    if (input.readableLength === 0) await answer();
  }
  await answer();
  if (!classifier) throw new Failure('data-invalid', 'standard input: expected a first line that names the model, found nothing');
  closeClassifier(classifier);
}

async function open(line: string): Promise<Classifier> {
  const { backend, model } = parsePredictFile(line, 'standard input, line 1');
  return openClassifier(await startBackend(backend), model);
}

function toWaiting(classifier: Classifier, text: string, line: number): Waiting {
  const place = `standard input, line ${line}`;
  const row = parseTexts(text, place);
  const { id } = row.json;
  if (typeof id !== 'string') throw new Failure('data-invalid', `${place}: "id": expected a string, found ${JSON.stringify(id)}`);
  return { id, ...encodeText(classifier, row) };
}

function write(output: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => output.write(text, (error) => (error ? reject(error) : resolve())));
}

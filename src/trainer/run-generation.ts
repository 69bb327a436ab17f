import type { Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../errors.ts';
import { parseFields } from '../lib/json.ts';
import { readLines } from '../lib/lines.ts';
import { startBackend } from './backends/index.ts';
import { readEndTokens } from './end-tokens.ts';
import { closeNetwork } from './engine/network.ts';
import { CancelRow, GenerateFile, GenerateRow, type GenerateAnswer } from './generate-protocol.ts';
import { createJsonGuides, type JsonGuides } from './language/json-guide.ts';
import { openLanguageModel } from './language/model.ts';
import { writeAnswers, type Reader, type Writer } from './language/answering.ts';
import { chat } from './tasks/language/chat.ts';
import { parseLine } from './tasks/row-lines.ts';
import { readTokenizer } from './tokenizer.ts';

/** Answers that are written together: more of them cost little more time, but memory. */
const mostTogether = 16;

/** Requests that wait, and those that were cancelled. */
interface Waiting {
  readonly rows: GenerateRow[];
  readonly cancelled: Set<string>;
}

/**
 * Answers requests until the input ends. The first line is a GenerateFile, each further one a GenerateRow or a CancelRow; the lines of the
 * answers are GenerateAnswers.
 *
 * @throws Failure `data-invalid` naming the line, and as `openLanguageModel`
 */
export async function runGeneration(input: Readable, output: Writable): Promise<void> {
  const waiting: Waiting = { rows: [], cancelled: new Set() };
  let writer: Writer | null = null;
  let answering: Promise<void> | null = null;
  let line = 0;
  const write = async (answer: GenerateAnswer): Promise<void> => {
    if (!output.write(`${JSON.stringify(answer)}\n`)) await new Promise<void>((resolve) => output.once('drain', resolve));
  };
  const work = async (): Promise<void> => {
    while (waiting.rows.length > 0) {
      const rows = waiting.rows.splice(0, mostTogether);
      const requests = rows.map((row) => ({ row, reader: createReader(row.id, waiting, (answer) => void write(answer)) }));
      await writeAnswers(writer!, requests, async () => await setImmediate());
      for (const { id } of rows) waiting.cancelled.delete(id);
    }
    answering = null;
  };
  for await (const lines of readLines(input as AsyncIterable<Buffer>, 'standard input')) {
    for (const bytes of lines) {
      const source = `standard input, line ${++line}`;
      const json = parseLine(bytes, source);
      if (json === null) continue;
      if (writer === null) writer = await openWriter(parseFields(GenerateFile, json, { source, code: 'data-invalid' }));
      else addRequest(waiting, json, source);
    }
    await setImmediate(); // lets what is already in the pipe arrive, so that more answers are written together
    if (input.readableLength === 0 && waiting.rows.length > 0) answering ??= work();
  }
  if (!writer) throw new Failure('data-invalid', 'standard input: expected a first line that names the model, found nothing');
  await (answering ?? work());
  closeNetwork(writer.network);
}

function addRequest({ rows, cancelled }: Waiting, json: Readonly<Record<string, unknown>>, source: string): void {
  if (json['cancel'] === undefined) rows.push(parseFields(GenerateRow, json, { source, code: 'data-invalid' }));
  else cancelled.add(parseFields(CancelRow, json, { source, code: 'data-invalid' }).id);
}

function createReader(id: string, { cancelled }: Waiting, write: (answer: GenerateAnswer) => void): Reader {
  return {
    write: (part) => write({ id, ...part }),
    end: (done) => write({ id, done }),
    fail: (failure) => write({ id, failure }),
    isCancelled: () => cancelled.has(id),
  };
}

async function openWriter({ backend, model }: GenerateFile): Promise<Writer> {
  const tf = await startBackend(backend);
  const network = openLanguageModel(tf, { ...model, seed: 0 }, { task: chat });
  const tokenizer = readTokenizer(model.folder);
  let guides: JsonGuides | null = null;
  const startGuide: Writer['startGuide'] = (schema, maxTokens) => {
    guides ??= createJsonGuides(Array.from({ length: network.config.vocabSize }, (_, id) => tokenizer.getBytes(id)));
    return guides.start(schema, maxTokens);
  };
  return { network, tokenizer, maxLength: network.maxLength, ends: readEndTokens(model.folder, tokenizer), startGuide };
}

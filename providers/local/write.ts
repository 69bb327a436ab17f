/** Answers that a language model of a folder writes: a process of its own reads prompts as JSON lines, and writes a part of an answer a line. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Failure } from '../../src/errors.ts';
import { spawnPrediction } from '../../src/lib/process.ts';
import type { PredictionContext } from '../../src/provider/context.ts';
import type { FolderModel } from '../../src/provider/model.ts';
import type { Prediction, PredictionRow } from '../../src/provider/prediction.ts';
import { defaultBackend } from '../../src/trainer/backends/index.ts';
import type { GenerateAnswer, GenerateFile, GenerateRow } from '../../src/trainer/generate-protocol.ts';
import { createLeadCutter, readLocalTemplate } from './chat-template.ts';
import { parsePredictFailure } from './process-failure.ts';

/** What was written of an answer so far. */
interface Written {
  text: string;
  logProbability: number;
  readonly cut: (part: string) => string;
}

/**
 * The answers to conversations, in the order in which they end. Without a temperature the most probable tokens are taken, so that the same
 * model always gives the same answers.
 * @throws Failure of the folder, or of a conversation that its chat template refuses
 */
export async function* write(model: FolderModel, rows: readonly PredictionRow[], context: PredictionContext): AsyncGenerator<Prediction> {
  const { path: folder, maxLength } = model;
  const { template, answerLead } = readLocalTemplate(folder);
  const { temperature, maxTokens, seed, schema } = context.generation;
  const toRequest = (row: PredictionRow): GenerateRow => ({
    id: row.id,
    text: 'text' in row ? row.text : template.render(row, { addGenerationPrompt: true }).text,
    ...(!('text' in row) && template.hasBegin && { hasBegin: true }),
    maxTokens: maxTokens ?? maxLength,
    temperature: temperature ?? 0,
    topP: 1,
    topK: null,
    stop: [],
    seed: seed ?? 0,
    ...(schema !== undefined && { schema }),
    logprobs: 0,
  });
  const file: GenerateFile = { version: 1, backend: defaultBackend, model: { folder, maxLength } };
  const lines = [file, ...rows.map(toRequest)];
  const child = spawnPrediction(context.signal, 'generate');
  await once(child, 'spawn'); // or it throws why there is none
  const { stdin, stdout, stderr } = child as Required<typeof child> & typeof child;
  const ended = once(child, 'close') as Promise<[number | null]>;
  const errors = text(stderr!);
  stdin!.on('error', () => {}); // a process that dies early closes the pipe; its exit says why
  stdin!.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const unfinished = new Map(
    rows.map((row): [string, Written] => [row.id, { text: '', logProbability: 0, cut: createLeadCutter('text' in row ? '' : answerLead) }]),
  );
  try {
    for await (const line of createInterface({ input: stdout! })) {
      const prediction = take(unfinished, JSON.parse(line) as GenerateAnswer);
      if (prediction !== null) yield prediction;
    }
  } finally {
    if (unfinished.size > 0) child.kill(); // nobody reads the others
  }
  const [status] = await ended;
  if (status !== 0 || unfinished.size > 0) throw parsePredictFailure(await errors, status);
}

/** Adds a line to its answer, and returns that where it was the last one. */
function take(unfinished: Map<string, Written>, line: GenerateAnswer): Prediction | null {
  const { id } = line;
  const written = unfinished.get(id)!;
  if ('failure' in line) {
    const { code, message, hint } = line.failure;
    throw new Failure(code, message, hint === null ? {} : { hint });
  }
  if ('done' in line) {
    unfinished.delete(id);
    const { reason, promptTokens: input, tokens: output } = line.done;
    const { text: answer, logProbability } = written;
    return { id, answer, probabilities: null, logProbability, truncated: reason === 'length', tokens: { input, output } };
  }
  written.text += written.cut(line.delta);
  written.logProbability += line.logprob ?? 0;
  return null;
}

import { z } from 'zod';
import type { Prediction, PromptRow, TextRow } from '../provider/prediction.ts';
import { getPrompt } from '../dataset/chat.ts';
import { parseText } from '../dataset/check-values.ts';
import { parseMessages, parseTools } from '../dataset/messages.ts';
import { parseFormat } from '../dataset/open-dataset.ts';
import { readRows } from '../dataset/read-rows.ts';
import type { ChatMessage, RawRow } from '../dataset/row.ts';
import { formatValue } from '../lib/text.ts';
import { Failure } from '../errors.ts';
import type { AskedRow } from './to-question.ts';
import { hashJson } from '../lib/json.ts';

/** What was answered: the texts of a row of the data, or a conversation up to the answer. */
export type PredictionInput = Omit<TextRow, 'id'> | Omit<PromptRow, 'id'>;

/** An answer that a predictions file holds. */
export type KeptPrediction = Required<Omit<Prediction, 'id'>>;

/** One line of a predictions file. */
export interface PredictionLine {
  readonly input: PredictionInput;
  readonly prediction: KeptPrediction;
  /** What the data had as the row's label or answer; null where it had none. */
  readonly expected: string | null;
  /** What requests called the model; null where the file does not say. */
  readonly model: string | null;
  /** How it was asked, for people: nothing is decided by it. */
  readonly asked: Readonly<Record<string, unknown>> | null;
  /** When it was answered: ISO 8601, UTC. */
  readonly at: string | null;
}

const Fraction = z.number('a probability from 0 to 1').min(0, 'a probability from 0 to 1').max(1, 'a probability from 0 to 1');
const Count = z.int('a whole number of tokens').nonnegative('a whole number of tokens');

/** The fields of a line beside its input; other ones may be there. A message says what is expected. */
const Fields = z.looseObject({
  answer: z.string('a text, or null').nullable(),
  probabilities: z.record(z.string(), Fraction, 'an object of probabilities by label').nullish(),
  log_probability: z.number('a natural logarithm, of at most 0').max(0, 'a natural logarithm, of at most 0').nullish(),
  truncated: z.boolean('true or false').nullish(),
  latency_ms: z.number('milliseconds').nonnegative('milliseconds').nullish(),
  tokens: z.object({ input: Count, output: Count }, 'an object {"input", "output"}').nullish(),
  expected: z.string('a text').nullish(),
  model: z.string('the name of a model').nullish(),
  asked: z.record(z.string(), z.unknown(), 'an object').nullish(),
  at: z.string('a time').nullish(),
});

/** What a model reads of a row of the data, before a prompt makes a chat of it. */
export function toInput(row: AskedRow): PredictionInput {
  if ('text' in row) return row.text2 === undefined ? { text: row.text } : { text: row.text, text2: row.text2 };
  return row.tools === undefined ? { messages: getPrompt(row) } : { messages: getPrompt(row), tools: row.tools };
}

/**
 * Names an input, by which a line finds its row again: SHA-256 of its canonical JSON, in hex. Weights of messages, which are of
 * training, and an empty list of tools make no difference.
 */
export function toInputHash(input: PredictionInput): string {
  if ('text' in input) return hashJson({ text: input.text, text2: input.text2 });
  const { messages, tools } = input;
  const read = messages.map((message): ChatMessage => ({ ...message, weight: undefined }));
  return hashJson({ messages: read, tools: tools?.length === 0 ? undefined : tools });
}

/** A line as the file has it, with its end. */
export function toPredictionText({ input, prediction, expected, model, asked, at }: PredictionLine): string {
  const { answer, probabilities, logProbability, truncated, latencyMs, tokens } = prediction;
  const line = {
    ...input,
    answer,
    ...(probabilities !== null && { probabilities }),
    ...(logProbability !== null && { log_probability: logProbability }),
    truncated,
    ...(latencyMs !== null && { latency_ms: latencyMs }),
    ...(tokens !== null && { tokens }),
    ...(expected !== null && { expected }),
    ...(model !== null && { model }),
    ...(asked !== null && { asked }),
    ...(at !== null && { at }),
  };
  return `${JSON.stringify(line)}\n`;
}

/**
 * The lines of a predictions file (.jsonl, .jsonl.gz), streamed.
 * @throws Failure as `readRows`, and `data-invalid` with file and line for what is no answer to an input
 */
export async function* readPredictionLines(path: string): AsyncGenerator<PredictionLine & { readonly line: number }> {
  if (parseFormat(path).rows !== 'jsonl') {
    throw new Failure('data-invalid', `expected a predictions file that ends in .jsonl or .jsonl.gz, found ${path}`);
  }
  for await (const raw of readRows(path)) yield { line: raw.line, ...parseLine(raw, `${path}:${raw.line}`) };
}

/**
 * The answers of a predictions file by `toInputHash` of their inputs. An input may stand on several lines as long as their answers are
 * the same: the first one counts. Of two different answers nobody could tell which is the model's.
 * @throws Failure as `readPredictionLines`, and `data-invalid` for two answers to one input, and a file without a line
 */
export async function readPredictionsFile(path: string): Promise<ReadonlyMap<string, KeptPrediction>> {
  const kept = new Map<string, KeptPrediction>();
  const lines = new Map<string, number>();
  for await (const { line, input, prediction } of readPredictionLines(path)) {
    const hash = toInputHash(input);
    const first = kept.get(hash);
    if (first === undefined) {
      kept.set(hash, prediction);
      lines.set(hash, line);
    } else if (first.answer !== prediction.answer) {
      const expected = `the answer ${formatValue(first.answer)} of line ${lines.get(hash)!}, which has the same input`;
      throw new Failure('data-invalid', `${path}:${line}: expected ${expected}, found ${formatValue(prediction.answer)}`, {
        hint: 'A file holds the answers of one model, one to an input: take one of the lines out.',
      });
    }
  }
  if (kept.size === 0) throw new Failure('data-invalid', `${path}: expected answers, one a line, found none`);
  return kept;
}

function parseLine({ row }: RawRow, place: string): PredictionLine {
  const input = parseInput(row, place);
  const parsed = Fields.safeParse(row);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const found = path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown>)[name], row);
    const field = path.map(String).join('.');
    throw new Failure(
      'data-invalid',
      `${place}: expected ${message} in "${field}", found ${found === undefined ? 'nothing' : formatValue(found)}`,
    );
  }
  const { answer, probabilities, log_probability: logProbability, truncated, latency_ms: latencyMs, tokens, ...rest } = parsed.data;
  const { expected, model, asked, at } = rest;
  return {
    input,
    prediction: {
      answer,
      probabilities: probabilities ?? null,
      logProbability: logProbability ?? null,
      truncated: truncated ?? false,
      latencyMs: latencyMs ?? null,
      tokens: tokens ?? null,
    },
    expected: expected ?? null,
    model: model ?? null,
    asked: asked ?? null,
    at: at ?? null,
  };
}

function parseInput(row: RawRow['row'], place: string): PredictionInput {
  const { text, text2, messages } = row;
  if ((text === undefined) === (messages === undefined)) {
    const found = text === undefined ? 'neither' : 'both';
    throw new Failure('data-invalid', `${place}: expected what was answered as "text" or as "messages", found ${found}`);
  }
  if (messages !== undefined) {
    const { tools } = parseTools(row, place);
    const parsed = parseMessages(messages, `${place}: messages`);
    return tools === undefined ? { messages: parsed } : { messages: parsed, tools };
  }
  const first = parseText(text, 'text', place);
  return text2 === undefined || text2 === null ? { text: first } : { text: first, text2: parseText(text2, 'text2', place) };
}

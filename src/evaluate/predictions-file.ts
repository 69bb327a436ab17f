import { z } from 'zod';
import { parseText } from '../dataset/check-values.ts';
import { parseFormat } from '../dataset/open-dataset.ts';
import { parseMessages, parseTools } from '../dataset/messages.ts';
import type { ChatMessage, RawRow } from '../dataset/row.ts';
import { readRows } from '../dataset/read-rows.ts';
import { Failure } from '../errors.ts';
import { hashJson } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import type { Prediction } from '../provider/prediction.ts';
import type { PredictionInput } from './requests.ts';

/** An answer that a predictions file holds. */
export type FilePrediction = Required<Omit<Prediction, 'id'>>;

/** One line of a predictions file. */
export interface PredictionLine {
  readonly input: PredictionInput;
  readonly prediction: FilePrediction;
  /** What the data had as the row's label or answer; null where it had none. */
  readonly expected: string | null;
  /** What requests called the model; null where the file does not say. */
  readonly model: string | null;
  /** Provider and settings of the request, for people: nothing is decided by it. */
  readonly asked: Readonly<Record<string, unknown>> | null;
  /** When it was answered: ISO 8601, UTC. */
  readonly at: string | null;
}

const Fraction = z.number('a probability from 0 to 1').min(0, 'a probability from 0 to 1').max(1, 'a probability from 0 to 1');
const Count = z.int('a whole number of tokens').nonnegative('a whole number of tokens');
/** A number in the place of a text. */
const AsText = z.number().transform(String);

/** The fields of a line beside its input; a line may have other ones. A message says what is expected. */
const Fields = z
  .looseObject({
    answer: z.union([z.string(), AsText], 'a text, or null').nullable(),
    probabilities: z.record(z.string(), Fraction, 'an object of probabilities by label').nullable().default(null),
    log_probability: z.number('a natural logarithm, of at most 0').max(0, 'a natural logarithm, of at most 0').nullable().default(null),
    truncated: z.boolean('true or false').nullable().default(false),
    latency_ms: z.number('milliseconds').nonnegative('milliseconds').nullable().default(null),
    tokens: z.object({ input: Count, output: Count }, 'an object {"input", "output"}').nullable().default(null),
    expected: z.union([z.string(), AsText], 'a text').nullable().default(null),
    model: z.string('the name of a model').nullable().default(null),
    asked: z.record(z.string(), z.unknown(), 'an object').nullable().default(null),
    at: z.string('a time').nullable().default(null),
  })
  .transform(({ answer, probabilities, log_probability: logProbability, truncated, latency_ms: latencyMs, tokens, ...rest }) => {
    const { expected, model, asked, at } = rest;
    const prediction = { answer, probabilities, logProbability, truncated: truncated ?? false, latencyMs, tokens };
    return { prediction, expected, model, asked, at };
  });

/**
 * The name of an input, by which a line is matched with its row: SHA-256 of its canonical JSON, in hex. Weights of messages, which
 * matter in training only, and an empty list of tools make no difference.
 */
export function hashInput(input: PredictionInput): string {
  if ('text' in input) return hashJson({ text: input.text, text2: input.text2 });
  const { messages, tools } = input;
  const read = messages.map((message): ChatMessage => ({ ...message, weight: undefined }));
  return hashJson({ messages: read, tools: tools?.length === 0 ? undefined : tools });
}

/** A line as the file has it, with its end. */
export function formatPredictionLine({ input, prediction, expected, model, asked, at }: PredictionLine): string {
  const { answer, probabilities, logProbability, truncated, latencyMs, tokens } = prediction;
  const known = { probabilities, log_probability: logProbability, truncated, latency_ms: latencyMs, tokens, expected, model, asked, at };
  const fields = Object.entries(known).filter(([, value]) => value !== null);
  return `${JSON.stringify({ ...input, answer, ...Object.fromEntries(fields) })}\n`;
}

/**
 * The lines of a predictions file (.jsonl, .jsonl.gz), streamed.
 * @throws Failure as `readRows`, and `data-invalid` with file and line for a line that is no answer to an input
 */
export async function* readPredictionLines(path: string): AsyncGenerator<PredictionLine & { readonly line: number }> {
  if (parseFormat(path) !== 'json') {
    throw new Failure('data-invalid', `expected a predictions file that ends in .jsonl or .jsonl.gz, found ${path}`);
  }
  for await (const raw of readRows(path)) yield { line: raw.line, ...parseLine(raw, `${path}:${raw.line}`) };
}

/**
 * The answers of a predictions file by `hashInput` of their inputs. Several lines may have the same input as long as their answers are
 * the same: the first one counts. Two different answers to one input are refused, since it is unknown which is the model's.
 * @throws Failure as `readPredictionLines`, and `data-invalid` for two answers to one input, and for a file without a line
 */
export async function readPredictionsFile(path: string): Promise<ReadonlyMap<string, FilePrediction>> {
  const answers = new Map<string, FilePrediction>();
  const lines = new Map<string, number>();
  for await (const { line, input, prediction } of readPredictionLines(path)) {
    const hash = hashInput(input);
    const first = answers.get(hash);
    if (first === undefined) {
      answers.set(hash, prediction);
      lines.set(hash, line);
    } else if (first.answer !== prediction.answer) {
      const expected = `the answer ${formatValue(first.answer)} of line ${lines.get(hash)!}, which has the same input`;
      throw new Failure('data-invalid', `${path}:${line}: expected ${expected}, found ${formatValue(prediction.answer)}`, {
        hint: 'a file holds the answers of one model, one for each input: delete one of the lines',
      });
    }
  }
  if (answers.size === 0) throw new Failure('data-invalid', `${path}: expected answers, one a line, found none`);
  return answers;
}

function parseLine({ row }: RawRow, place: string): PredictionLine {
  const input = parseInput(row, place);
  const parsed = Fields.safeParse(row);
  if (!parsed.success) throw new Failure('data-invalid', `${place}: ${formatIssue(parsed.error, row)}`);
  return { input, ...parsed.data };
}

/** The first problem that a schema finds in a value; its messages say what is expected. */
export function formatIssue({ issues: [issue] }: z.ZodError, value: unknown): string {
  const { path, message } = issue!;
  const found = path.reduce<unknown>((inner, name) => (inner as Record<PropertyKey, unknown>)[name], value);
  const field = path.length === 0 ? '' : ` in "${path.map(String).join('.')}"`;
  return `expected ${message}${field}, found ${found === undefined ? 'nothing' : formatValue(found)}`;
}

function parseInput(row: RawRow['row'], place: string): PredictionInput {
  const { text, text2, messages } = row;
  if ((text === undefined) === (messages === undefined)) {
    const found = text === undefined ? 'neither' : 'both';
    throw new Failure('data-invalid', `${place}: expected the input as "text" or as "messages", found ${found}`);
  }
  if (messages !== undefined) {
    const { tools } = parseTools(row, place);
    const parsed = parseMessages(messages, `${place}: messages`);
    return tools === undefined ? { messages: parsed } : { messages: parsed, tools };
  }
  const first = parseText(text, 'text', place);
  return text2 === undefined || text2 === null || text2 === '' ? { text: first } : { text: first, text2: parseText(text2, 'text2', place) };
}

import { z } from 'zod';
import type { Prediction } from '../provider/prediction.ts';
import { formatValue } from '../lib/text.ts';
import { Failure } from '../errors.ts';
import type { PredictRequest } from './to-question.ts';

/** Reads the output of a command, line by line. */
interface AnswerReader {
  /** Takes lines in. A last line without its end waits: it may be cut. @throws Failure `response-invalid` for what is no answer */
  read(lines: readonly Buffer[]): void;
  /** Takes in what waits, and checks that nothing is missing. @throws Failure `response-invalid` */
  end(): void;
  /** The answers since the last call. */
  take(): Prediction[];
  /** How many rows have an answer. */
  answered(): number;
}

/** A message says what is expected. */
const AnswerLine = z.looseObject(
  {
    id: z.string('the id of a row'),
    answer: z.string('a text, or null').nullable(),
    probabilities: z.record(z.string(), z.number('a number'), 'an object of probabilities by label').nullish(),
  },
  'an object {"id", "answer"}',
);

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @param place names the command in errors. */
export function createAnswerReader(place: string, questions: readonly PredictRequest[]): AnswerReader {
  const asked = new Set(questions.map(({ id }) => id));
  const lineOf = new Map<string, number>(); // by id: where its answer stands
  let fresh: Prediction[] = [];
  let cut: Buffer | null = null;
  let number = 0;

  const readLine = (line: Buffer): void => {
    number++;
    if (line.every((byte) => byte <= 0x20)) return;
    const fail = (expected: string, found: string): Failure =>
      new Failure('response-invalid', `${place}, line ${number} of its output: expected ${expected}, found ${found}`, {
        hint: 'it has to write {"id", "answer"} for each row that it reads, one a line, and nothing else; its remarks go to standard error',
      });
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(line));
    } catch {
      throw fail('JSON', formatValue(line.toString().trim()));
    }
    const parsed = AnswerLine.safeParse(value);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      const found = path.reduce<unknown>((inner, name) => (inner as Record<PropertyKey, unknown>)[name], value);
      const field = path.length === 0 ? '' : ` in "${path.map(String).join('.')}"`;
      throw fail(`${message}${field}`, found === undefined ? 'nothing' : formatValue(found));
    }
    const { id, answer, probabilities } = parsed.data;
    if (!asked.has(id)) throw fail('the id of a row that was asked', formatValue(id));
    const first = lineOf.get(id);
    if (first !== undefined) throw fail('one answer a row', `a second one, beside line ${first}, to the row ${formatValue(id)}`);
    lineOf.set(id, number);
    fresh.push({ id, answer, probabilities: probabilities ?? null, truncated: false });
  };

  return {
    read(lines) {
      for (const line of lines) {
        if (line.at(-1) === 0x0a) readLine(line);
        else cut = line;
      }
    },
    end() {
      if (cut !== null) readLine(cut);
      const missing = questions.filter(({ id }) => !lineOf.has(id));
      if (missing.length === 0) return;
      const found = `${lineOf.size}; the first without one is ${formatValue(missing[0]!.id)}`;
      throw new Failure('response-invalid', `${place}: expected ${questions.length} answers, found ${found}`, {
        hint: 'run the command again: what was answered is kept and not asked again',
      });
    },
    take() {
      const taken = fresh;
      fresh = [];
      return taken;
    },
    answered: () => lineOf.size,
  };
}

import { existsSync } from 'node:fs';
import { z } from 'zod';
import { readLabelList } from '../dataset/label-list.ts';
import type { ChatMessage, RowTask } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import { writeAtomic } from '../lib/fs.ts';
import { formatValue } from '../lib/text.ts';
import { parseNumber } from './numbers.ts';
import { readPredictionLines, readPredictionsFile, hashInput, type PredictionLine } from './predictions-file.ts';

const ToolCalls = z.array(z.looseObject({ function: z.looseObject({}) })).min(1);

export type TrainingTask = Exclude<RowTask, 'preference'>;

export interface TrainingRows {
  readonly task: TrainingTask;
  readonly rows: number;
  /** Rows a label; empty for chats and numbers. */
  readonly labels: Readonly<Record<string, number>>;
  /** Lines that are left out: without an answer, cut at the token limit, or with the input of an earlier line. */
  readonly leftOut: { readonly unanswered: number; readonly truncated: number; readonly repeated: number };
}

/**
 * Writes the answers of a predictions file as training rows: a text with the answer as its label, labels or number, or a conversation that ends
 * with it.
 * @param task when absent, that of the first line: of texts whose answer is a JSON list of texts, several labels
 * @throws Failure as `readPredictionsFile`; `usage` where the output exists already, `data-invalid` for a conversation where texts are
 *   needed, an answer that is no list or number where one is needed, and where no row is left
 */
export async function writeTrainingRows(
  path: string,
  { out, task }: { readonly out: string; readonly task?: TrainingTask },
): Promise<TrainingRows> {
  if (existsSync(out)) throw new Failure('usage', `--out names a file that exists already: ${out}`);
  await readPredictionsFile(path); // refuses two answers to one input before anything is written
  const labels = new Map<string, number>();
  const seen = new Set<string>();
  const leftOut = { unanswered: 0, truncated: 0, repeated: 0 };
  let rows = 0;
  let known = task;
  async function* generateLines(): AsyncGenerator<Buffer> {
    for await (const { line, input, prediction } of readPredictionLines(path)) {
      const answer = 'text' in input && known !== 'chat' ? (prediction.answer?.trim() ?? null) : prediction.answer;
      const hash = hashInput(input);
      if (seen.has(hash)) leftOut.repeated++;
      else if (answer === null || !/\S/.test(answer)) leftOut.unanswered++;
      else if (prediction.truncated) leftOut.truncated++;
      else {
        rows++;
        known ??= 'messages' in input ? 'chat' : readLabelList(answer) === null ? 'classification' : 'multi-label';
        const row = known === 'chat' ? buildConversation(input, answer) : parseTextRow({ input, answer, task: known }, `${path}:${line}`);
        for (const label of listLabels(row)) labels.set(label, (labels.get(label) ?? 0) + 1);
        yield Buffer.from(`${JSON.stringify(row)}\n`);
      }
      seen.add(hash);
    }
    if (rows > 0) return;
    const found = `${leftOut.unanswered} lines without one and ${leftOut.truncated} whose answer was cut short`;
    throw new Failure('data-invalid', `${path}: expected answers to train on, found ${found}`);
  }
  await writeAtomic(out, generateLines(), 'training file');
  return { task: known!, rows, labels: Object.fromEntries(labels), leftOut };
}

type Input = PredictionLine['input'];

interface AnsweredText {
  readonly input: Input;
  readonly answer: string;
  readonly task: Exclude<TrainingTask, 'chat'>;
}

function parseTextRow({ input, answer, task }: AnsweredText, place: string): object {
  if (!('text' in input)) {
    throw new Failure('data-invalid', `${place}: expected a text for the task "${task}", found messages`, {
      hint: 'use --task chat for conversations',
    });
  }
  if (task === 'classification') return { ...input, label: answer };
  const found = task === 'regression' ? parseNumber(answer) : readLabelList(answer);
  if (found !== null) return { ...input, ...(task === 'regression' ? { label: found } : { labels: found }) };
  const expected = task === 'regression' ? 'a number' : 'a JSON list of labels';
  throw new Failure('data-invalid', `${place}: expected ${expected} as the answer for the task "${task}", found ${formatValue(answer)}`);
}

/** Those of a row, each once; a number is none. */
function listLabels(row: { readonly label?: unknown; readonly labels?: readonly string[] }): Iterable<string> {
  return new Set(row.labels ?? (typeof row.label === 'string' ? [row.label] : []));
}

function buildConversation(input: Input, answer: string): object {
  const { messages, ...rest } = 'text' in input ? { messages: [{ role: 'user', content: joinTexts(input) }] } : input;
  const calls = 'tools' in rest ? parseCalls(answer) : null;
  const said: ChatMessage = calls === null ? { role: 'assistant', content: answer } : { role: 'assistant', tool_calls: calls };
  return { messages: [...messages, said], ...rest };
}

function joinTexts({ text, text2 }: Extract<Input, { text: string }>): string {
  return text2 === undefined ? text : `${text}\n\n${text2}`;
}

/** The calls of tools in an answer, which has them as JSON; null where it is a text. */
function parseCalls(answer: string): unknown[] | null {
  try {
    return ToolCalls.safeParse(JSON.parse(answer)).data ?? null;
  } catch {
    return null;
  }
}

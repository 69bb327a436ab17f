import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { ChatMessage } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import { writeAtomic } from '../lib/fs.ts';
import { readPredictionLines, readPredictionsFile, hashInput, type PredictionLine } from './predictions-file.ts';

const ToolCalls = z.array(z.looseObject({ function: z.looseObject({}) })).min(1);

export type TrainingTask = 'classification' | 'chat';

export interface TrainingRows {
  readonly task: TrainingTask;
  readonly rows: number;
  /** Rows a label; empty for chats. */
  readonly labels: Readonly<Record<string, number>>;
  /** Lines that are left out: without an answer, cut at the token limit, or with the input of an earlier line. */
  readonly leftOut: { readonly unanswered: number; readonly truncated: number; readonly repeated: number };
}

/**
 * Writes the answers of a predictions file as training rows: a text with the answer as its label, or a conversation that ends with it.
 * @param task that of the first line when absent
 * @throws Failure as `readPredictionsFile`; `usage` where the output exists already, `data-invalid` for a conversation where texts are
 *   needed, and where no row is left
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
      known ??= 'text' in input ? 'classification' : 'chat';
      const answer = known === 'classification' ? (prediction.answer?.trim() ?? null) : prediction.answer;
      const hash = hashInput(input);
      if (seen.has(hash)) leftOut.repeated++;
      else if (answer === null || !/\S/.test(answer)) leftOut.unanswered++;
      else if (prediction.truncated) leftOut.truncated++;
      else {
        rows++;
        if (known === 'classification') labels.set(answer, (labels.get(answer) ?? 0) + 1);
        const row = known === 'chat' ? buildConversation(input, answer) : parseLabelledRow(input, answer, `${path}:${line}`);
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

function parseLabelledRow(input: Input, answer: string, place: string): object {
  if ('text' in input) return { ...input, label: answer };
  throw new Failure('data-invalid', `${place}: expected a text for the task "classification", found messages`, {
    hint: 'use --task chat for conversations',
  });
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

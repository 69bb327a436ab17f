import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { isFields } from './source.ts';

export interface RowsLook {
  readonly task: 'chat' | 'preference';
  /** All answers there are, where each row has one question and the answers are few and short, as labels are; else null. */
  readonly answers: readonly string[] | null;
}

/** More different answers, or longer ones, are no labels. */
const mostAnswers = 50;
const longestAnswer = 60;

/** What the rows of a file for OpenAI are, by reading them; null where they are neither. A row that is broken is told when it is planned. */
export async function lookAtRows(path: string): Promise<RowsLook | null> {
  const answers = new Set<string>();
  let rows = 0;
  const stream = createReadStream(path);
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      if (line.trim() === '') continue;
      const row = parseRow(line);
      if (row === null) return null;
      if (Object.hasOwn(row, 'preferred_output')) return { task: 'preference', answers: null };
      if (!Array.isArray(row['messages'])) return null;
      const answer = toLabel(row['messages']);
      if (answer === null || answers.add(answer).size > mostAnswers) return { task: 'chat', answers: null };
      rows++;
    }
  } finally {
    lines.close();
    stream.destroy();
  }
  if (rows === 0) return null;
  return { task: 'chat', answers: answers.size < 2 || answers.size > rows / 2 ? null : [...answers].sort() };
}

function parseRow(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const row: unknown = JSON.parse(line.replace(/^\uFEFF/, ''));
    return isFields(row) ? row : null;
  } catch {
    return null;
  }
}

/** The answer of a conversation of one question, where it could be a label. */
function toLabel(messages: readonly unknown[]): string | null {
  const turns = messages.filter(isFields).filter(({ role }) => role !== 'system' && role !== 'developer');
  const [question, answer] = turns;
  if (turns.length !== 2 || question?.['role'] !== 'user' || answer?.['role'] !== 'assistant') return null;
  const { content } = answer;
  return typeof content === 'string' && content !== '' && content.length <= longestAnswer && !content.includes('\n') ? content : null;
}

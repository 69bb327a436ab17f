import { isFields } from './source.ts';

/** A conversation that asks for a label: what a classification would make of it. */
export interface LabelledChat {
  /** Null: there is no system message. */
  readonly system: string | null;
  readonly text: string;
  /** Without white space around it. */
  readonly label: string;
}

/** A longer answer is no label. */
const longestLabel = 60;

/** What a conversation's one question and one short answer are; null for any other conversation. Line by line, as JSON Lines hold them. */
export function parseLabelledChat(row: Readonly<Record<string, unknown>>): LabelledChat | null {
  const { messages } = row;
  if (!Array.isArray(messages) || !messages.every(isFields) || Object.hasOwn(row, 'tools')) return null;
  const isFirst = ['system', 'developer'].includes(String(messages[0]?.['role']));
  const [question, answer, ...more] = isFirst ? messages.slice(1) : messages;
  if (question?.['role'] !== 'user' || answer?.['role'] !== 'assistant' || more.length > 0) return null;
  const system = isFirst ? messages[0]!['content'] : null;
  const [text, label] = [question['content'], answer['content']];
  if ((system !== null && typeof system !== 'string') || typeof text !== 'string' || typeof label !== 'string') return null;
  if (answer['weight'] === 0 || !/\S/.test(text) || !/\S/.test(label) || /\n/.test(label.trim())) return null;
  return label.trim().length > longestLabel ? null : { system, text, label: label.trim() };
}

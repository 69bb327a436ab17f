import { Failure } from '../errors.ts';
import { checkColumns } from './check-columns.ts';
import { parseMessages } from './parse-messages.ts';
import { parseTools } from './parse-tools.ts';
import type { RawRow } from './raw-row.ts';
import type { ChatMessage, ChatRow } from './row.ts';
import { formatValue } from '../lib/text.ts';

export interface ChatColumns {
  readonly messages: string;
}

/**
 * The conversation of a row, whole: its messages as they stand, with the row's `tools` and `parallel_tool_calls`.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` as `parseMessages` and `parseTools`, and for a conversation that does not end with an answer, has
 *   nothing before it, or nothing to learn.
 */
export function parseChatRow({ line, row }: RawRow, columns: ChatColumns, path: string): ChatRow {
  const place = `${path}:${line}`;
  checkColumns(row, [columns.messages], place);
  const messages = parseMessages(row[columns.messages], `${place}: ${columns.messages}`);
  checkAnswers(messages, `${place}: ${columns.messages}`);
  return { messages, ...parseTools(row, place) };
}

function checkAnswers(messages: readonly ChatMessage[], place: string): void {
  const last = messages.length - 1;
  const { role } = messages[last]!;
  if (role !== 'assistant') {
    throw new Failure(
      'data-invalid',
      `${place}[${last}].role: expected the last message to be the assistant's, found ${formatValue(role)}`,
      {
        hint: 'A model learns what the assistant says: end each conversation with it.',
      },
    );
  }
  if (last === 0) throw new Failure('data-invalid', `${place}: expected a message before the answer, found none`);
  if (messages.every((message) => message.role !== 'assistant' || message['weight'] === 0)) {
    throw new Failure('data-invalid', `${place}: expected an assistant message to learn, found only such of weight 0`);
  }
}

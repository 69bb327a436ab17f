/** What rows have: how much text, and what not every service can follow. */
import type { ChatMessage, ChatRow, PreferenceRow, Row } from './row.ts';

/** What a conversation may have that not every service can follow. */
export type RowTrait = 'images' | 'manyImages' | 'tooManyImages' | 'imagesInPair' | 'weights' | 'objectArguments' | 'answersWithoutCall';

export type RowTraits = Readonly<Partial<Record<RowTrait, number>>>;

/**
 * All text of a row, in UTF-16 units: both texts of a pair; the contents and tool calls of all messages (of a preference, the prompt and
 * both ends); the tools, as JSON. Labels, roles and images are not counted.
 */
export function countCharacters(row: Row): number {
  if ('text' in row) return row.text.length + (row.text2?.length ?? 0);
  const tools = row.tools === undefined ? 0 : JSON.stringify(row.tools).length;
  if ('messages' in row) return tools + countInMessages(row.messages);
  return tools + countInMessages(row.prompt) + countInMessages(row.chosen) + countInMessages(row.rejected);
}

function countInMessages(messages: readonly ChatMessage[]): number {
  let count = 0;
  for (const { content, tool_calls: calls } of messages) {
    if (typeof content === 'string') count += content.length;
    else if (Array.isArray(content)) {
      for (const { text } of content as { text?: unknown }[]) count += typeof text === 'string' ? text.length : 0;
    }
    if (Array.isArray(calls)) for (const call of calls as { function: unknown }[]) count += countInCall(call.function);
  }
  return count;
}

function countInCall(called: unknown): number {
  const { name, arguments: given } = called as { name: string; arguments: unknown };
  return name.length + (typeof given === 'string' ? given : JSON.stringify(given)).length;
}

/** Of one conversation. */
const mostImages = { openai: 10, azure: 64 };

/** What the conversation of a row has that not every service can follow. */
export function findTraits(row: ChatRow | PreferenceRow): ReadonlySet<RowTrait> {
  const traits = new Set<RowTrait>();
  let images = 0;
  for (const messages of 'messages' in row ? [row.messages] : [row.prompt, row.chosen, row.rejected]) {
    for (const { role, content, weight, tool_calls: calls, tool_call_id: answered } of messages) {
      if (weight === 0) traits.add('weights');
      if (role === 'tool' && typeof answered !== 'string') traits.add('answersWithoutCall');
      if (Array.isArray(content)) for (const { type } of content as { type: string }[]) if (type.startsWith('image')) images++;
      if (!Array.isArray(calls)) continue;
      const isObject = (call: { function: { arguments: unknown } }): boolean => typeof call.function.arguments !== 'string';
      if ((calls as { function: { arguments: unknown } }[]).some(isObject)) traits.add('objectArguments');
    }
  }
  if (images > 0) traits.add('images');
  if (images > mostImages.openai) traits.add('manyImages');
  if (images > mostImages.azure) traits.add('tooManyImages');
  if (images > 0 && 'chosen' in row) traits.add('imagesInPair');
  return traits;
}

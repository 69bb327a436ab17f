import type { ChatMessage, Row } from './row.ts';

/**
 * All text of a row, in UTF-16 units: both texts of a pair; what is said, and which tools with which arguments are called, in all
 * messages (of a preference, the prompt and both ends); the tools, as JSON. Labels, roles and images are not counted.
 */
export function countCharacters(row: Row): number {
  if ('label' in row) return row.text.length + (row.text2?.length ?? 0);
  const tools = row.tools === undefined ? 0 : JSON.stringify(row.tools).length;
  if ('messages' in row) return tools + countIn(row.messages);
  return tools + countIn(row.prompt) + countIn(row.chosen) + countIn(row.rejected);
}

function countIn(messages: readonly ChatMessage[]): number {
  let count = 0;
  for (const { content, tool_calls: calls } of messages) {
    if (typeof content === 'string') count += content.length;
    else if (Array.isArray(content)) for (const part of content as { text?: unknown }[]) count += countText(part.text);
    if (Array.isArray(calls)) for (const call of calls as { function: unknown }[]) count += countCall(call.function);
  }
  return count;
}

function countCall(called: unknown): number {
  const { name, arguments: given } = called as { name: string; arguments: unknown };
  return name.length + (typeof given === 'string' ? given : JSON.stringify(given)).length;
}

function countText(text: unknown): number {
  return typeof text === 'string' ? text.length : 0;
}

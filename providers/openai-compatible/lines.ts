/** Rows as lines of a training file that the published schemas of OpenAI accept. */
import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ChatMessage, Row, ToolFields } from '../../src/dataset/row.ts';
import { isObject } from '../../src/lib/json.ts';
import type { RowsPlan } from './request.ts';

/** A row as the service reads it. Only fields that it knows: a row may come with its place in the data. */
export function toLine(row: Row, { prompt, labels }: Pick<RowsPlan, 'prompt' | 'labels'>): object {
  const toMessages = createWriter();
  if ('messages' in row) return { messages: toMessages(row.messages), ...toTools(row) };
  if ('chosen' in row) {
    const [prompt, chosen, rejected] = [row.prompt, row.chosen, row.rejected].map(toMessages);
    return { input: { messages: prompt, ...toTools(row) }, preferred_output: chosen, non_preferred_output: rejected };
  }
  return { messages: buildTrainingMessages(row, prompt, labels) };
}

interface Call {
  readonly id?: unknown;
  readonly function: { readonly arguments: unknown };
}

/**
 * Writes messages one part after the other. Rows for templates of open models have calls without identifiers, whose answers follow in the
 * order of the calls; arguments that are objects, where the service takes JSON text; and `null` for fields that are absent. The role
 * `developer`, which the lines do not have, is the system's.
 */
function createWriter(): (messages: readonly ChatMessage[]) => object[] {
  let calls = 0;
  const waiting: string[] = [];
  const toCall = (call: Call): object => {
    const { arguments: given } = call.function;
    const id = typeof call.id === 'string' ? call.id : `call_${++calls}`;
    waiting.push(id);
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    return { ...call, id, type: 'function', function: { ...call.function, arguments: text } };
  };
  const toMessage = (message: ChatMessage): object => {
    const given = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null));
    const { role, tool_calls: list, tool_call_id: id } = given;
    if (role === 'developer') return { ...given, role: 'system' };
    if (Array.isArray(list)) return { ...given, tool_calls: (list as Call[]).map(toCall) };
    if (role !== 'tool') return given;
    const next = typeof id === 'string' ? id : (waiting[0] ?? 'call_0');
    waiting.splice(waiting.indexOf(next), waiting.includes(next) ? 1 : 0);
    return { ...given, tool_call_id: next };
  };
  return (messages) => messages.map(toMessage);
}

/** Tools with their type; some programs write the functions alone. */
function toTools({ tools, parallel_tool_calls }: ToolFields): ToolFields {
  const toTool = (tool: unknown): unknown =>
    isObject(tool) && isObject(tool['function']) ? { ...tool, type: 'function' } : { type: 'function', function: tool };
  return {
    ...(tools === undefined ? {} : { tools: tools.map(toTool) }),
    ...(parallel_tool_calls === undefined ? {} : { parallel_tool_calls }),
  };
}

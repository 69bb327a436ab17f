/** Rows of other known forms as conversations in messages. */
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import type { ChatMessage, RawRow } from './row.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The forms of a row of a chat, with what identifies each. */
export type ChatShape = 'messages' | 'functions' | 'sharegpt' | 'alpaca' | 'completion';

export const shapeNames: Readonly<Record<ChatShape, string>> = {
  messages: '"messages"',
  functions: '"messages" with "function_call", the old form of calls',
  sharegpt: '"conversations" of ShareGPT',
  alpaca: '"instruction" and "output" of Alpaca',
  completion: '"prompt" and "completion"',
};

/** The form of a row; null where it is none of these. @param column holds the messages in the data */
export function findShape(row: Fields, column: string): ChatShape | null {
  if (Object.hasOwn(row, column)) return isTurns(row[column]) ? 'sharegpt' : hasOldCalls(row, column) ? 'functions' : 'messages';
  if (column !== 'messages') return null; // the job names another one
  if (isTurns(row['conversations'])) return 'sharegpt';
  if (Array.isArray(row['conversations'])) return 'messages';
  if (typeof row['instruction'] === 'string' && typeof row['output'] === 'string') return 'alpaca';
  return Object.hasOwn(row, 'prompt') && Object.hasOwn(row, 'completion') ? 'completion' : null;
}

/** A list of turns `{"from", "value"}`. */
function isTurns(value: unknown): boolean {
  return Array.isArray(value) && isObject(value[0]) && Object.hasOwn(value[0], 'from') && Object.hasOwn(value[0], 'value');
}

function hasOldCalls(row: Fields, column: string): boolean {
  if (row['functions'] !== undefined && row['functions'] !== null) return true;
  const messages = row[column];
  if (!Array.isArray(messages)) return false;
  return messages.some((message) => isObject(message) && (message['role'] === 'function' || message['function_call'] != null));
}

/**
 * The row in the form of OpenAI's messages: `messages`, and `tools` where it has them.
 * @param place names file and line in errors.
 * @throws Failure `data-invalid` for a turn that cannot be converted
 */
export function toMessagesRow(
  { row }: RawRow,
  shape: ChatShape,
  { column, place }: { readonly column: string; readonly place: string },
): Fields {
  if (shape === 'messages') return Object.hasOwn(row, column) ? row : { ...row, [column]: row['conversations'] };
  if (shape === 'functions') return upgradeRow(row, column);
  if (shape === 'alpaca') return { [column]: toAlpacaMessages(row) };
  if (shape === 'completion')
    return { ...pickTools(row), [column]: [...toTurns(row['prompt'], 'user'), ...toTurns(row['completion'], 'assistant')] };
  const name = Object.hasOwn(row, column) ? column : 'conversations';
  const system = typeof row['system'] === 'string' && row['system'] !== '' ? [{ role: 'system', content: row['system'] }] : [];
  const messages = (row[name] as unknown[]).map((turn, i) => toMessage(turn, `${place}: ${name}[${i}]`));
  return upgradeRow({ ...pickTools(row), [column]: [...system, ...messages] }, column);
}

function pickTools(row: Fields): Fields {
  const { tools, parallel_tool_calls: parallel } = row;
  const given = typeof tools === 'string' && tools.trim() !== '' ? parseList(tools) : tools;
  return {
    ...(given === undefined || given === '' ? {} : { tools: Array.isArray(given) ? given.map(toTool) : given }),
    ...(parallel === undefined ? {} : { parallel_tool_calls: parallel }),
  };
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // refused as any other text in "tools"
  }
}

function toTool(tool: unknown): unknown {
  return isObject(tool) && !Object.hasOwn(tool, 'function') && typeof tool['name'] === 'string'
    ? { type: 'function', function: tool }
    : tool;
}

/** Roles of ShareGPT and its kin by those of messages. */
const roles: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  model: 'assistant',
  bot: 'assistant',
  system: 'system',
  tool: 'function',
  observation: 'function',
  function_response: 'function',
};

function toMessage(turn: unknown, place: string): unknown {
  if (!isObject(turn)) return turn; // refused with the other messages
  const { from, value, weight } = turn;
  if (from === 'function_call' && typeof value === 'string')
    return { role: 'assistant', content: null, function_call: toCall(value, place) };
  const role = typeof from === 'string' && Object.hasOwn(roles, from) ? roles[from]! : null;
  if (role === null) {
    throw createDataFailure('chat-role', `${place}.from: expected human, gpt or system, found ${formatValue(from)}`);
  }
  return { role, content: value, ...(weight === undefined ? {} : { weight }) };
}

function toCall(text: string, place: string): unknown {
  const call = parseList(text);
  if (!isObject(call) || typeof call['name'] !== 'string') {
    throw createDataFailure('chat-tools', `${place}.value: expected a call {"name", "arguments"}, found ${formatValue(text)}`);
  }
  const given = call['arguments'] ?? {};
  return { name: call['name'], arguments: typeof given === 'string' ? given : JSON.stringify(given) };
}

function toAlpacaMessages(row: Fields): unknown[] {
  const { instruction, input, output, system, history } = row;
  const question = typeof input === 'string' && input.trim() !== '' ? `${instruction as string}\n\n${input}` : instruction;
  const before = Array.isArray(history) ? (history as unknown[]).filter((pair) => Array.isArray(pair) && pair.length === 2) : [];
  return [
    ...(typeof system === 'string' && system !== '' ? [{ role: 'system', content: system }] : []),
    ...(before as unknown[][]).flatMap(([asked, answered]) => [
      { role: 'user', content: asked },
      { role: 'assistant', content: answered },
    ]),
    { role: 'user', content: question },
    { role: 'assistant', content: output },
  ];
}

/** A text, or messages as they are. */
function toTurns(value: unknown, role: string): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [{ role, content: value }];
}

/** `functions`, `function_call` and the role `function` as tools and calls of them; everything else stays as it is. */
function upgradeRow(row: Fields, column: string): Fields {
  const { functions, function_call: _, ...rest } = row;
  const messages = row[column];
  return {
    ...rest,
    ...(Array.isArray(functions) && functions.length > 0 && rest['tools'] == null ? { tools: functions.map(toTool) } : {}),
    ...(Array.isArray(messages) ? { [column]: upgradeMessages(messages as unknown[]) } : {}),
  };
}

function upgradeMessages(messages: readonly unknown[]): unknown[] {
  let calls = 0;
  return messages.map((message) => {
    if (!isObject(message)) return message;
    const { function_call: call, ...rest } = message;
    if (call !== undefined && call !== null) {
      const id = `call_${++calls}`;
      return { ...rest, tool_calls: [{ id, type: 'function', function: call }] } satisfies Partial<ChatMessage>;
    }
    // An answer belongs to the call before it.
    return rest['role'] === 'function' && calls > 0 ? { ...rest, role: 'tool', tool_call_id: `call_${calls}` } : rest;
  });
}

import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { checkJson } from './check-values.ts';
import type { ChatMessage, ToolFields } from './row.ts';

const roles: readonly unknown[] = ['system', 'developer', 'user', 'assistant', 'tool'];

/**
 * A list of messages, unchanged.
 * @param place names file, line and column in errors, which count messages from 0.
 * @throws Failure `data-invalid` for a role, content, `tool_calls` or `weight` that no service accepts, for an empty list, and as
 *   `checkJson`.
 */
export function parseMessages(value: unknown, place: string): readonly ChatMessage[] {
  if (!Array.isArray(value)) {
    throw new Failure('data-invalid', `${place}: expected a list of messages, found ${formatValue(value)}`, {
      hint: 'Messages are written in JSON Lines: [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}].',
    });
  }
  if (value.length === 0) throw new Failure('data-invalid', `${place}: expected messages, found an empty list`);
  for (const [i, message] of (value as unknown[]).entries()) {
    const problem = isObject(message) ? findMessageProblem(message) : `: expected a message, found ${formatValue(message)}`;
    if (problem !== null) throw new Failure('data-invalid', `${place}[${i}]${problem}`);
  }
  checkJson(value, place);
  return value as ChatMessage[];
}

/** The first wrong field with what is wrong, or null. */
function findMessageProblem(message: Readonly<Record<string, unknown>>): string | null {
  const { role, content, weight, tool_calls: calls, function_call: call } = message;
  if (role === 'function') return '.role: expected "tool", found "function", its old name';
  if (!roles.includes(role))
    return `.role: expected ${roles.slice(0, -1).join(', ')} or ${String(roles.at(-1))}, found ${formatValue(role)}`;
  if (call !== undefined && call !== null) return '.function_call: expected "tool_calls", found its old name';
  if (weight !== undefined && weight !== 0 && weight !== 1) return `.weight: expected 0 or 1, found ${formatValue(weight)}`;
  const hasCalls = calls !== undefined && calls !== null;
  if (hasCalls && role !== 'assistant')
    return `.tool_calls: expected on assistant messages only, found on a message of role ${formatValue(role)}`;
  const problem = hasCalls ? findCallsProblem(calls) : null;
  return problem ?? findContentProblem(content, role === 'assistant', hasCalls);
}

function findCallsProblem(calls: unknown): string | null {
  if (!Array.isArray(calls) || calls.length === 0) return `.tool_calls: expected a list of calls, found ${formatValue(calls)}`;
  for (const [i, call] of (calls as unknown[]).entries()) {
    const called = isObject(call) ? call['function'] : undefined;
    if (!isObject(called)) return `.tool_calls[${i}]: expected a call {"id", "type", "function"}, found ${formatValue(call)}`;
    const { name, arguments: given } = called;
    if (typeof name !== 'string' || name === '') return `.tool_calls[${i}].function.name: expected a name, found ${formatValue(name)}`;
    // Services want JSON text; the templates of open models take an object too.
    if (typeof given !== 'string' && !isObject(given)) {
      return `.tool_calls[${i}].function.arguments: expected JSON in a string, found ${formatValue(given)}`;
    }
  }
  return null;
}

function findContentProblem(content: unknown, isAnswer: boolean, hasCalls: boolean): string | null {
  if (hasCalls && (content === undefined || content === null)) return null;
  if (typeof content === 'string') {
    // An empty system message or result of a tool has a meaning; an empty answer teaches nothing.
    return isAnswer && !hasCalls && !/\S/.test(content) ? '.content: expected an answer, found an empty text' : null;
  }
  if (!Array.isArray(content) || content.length === 0) {
    return `.content: expected a string or a list of parts, found ${formatValue(content)}`;
  }
  for (const [i, part] of (content as unknown[]).entries()) {
    if (!isObject(part) || typeof part['type'] !== 'string') {
      return `.content[${i}]: expected a part with a "type", found ${formatValue(part)}`;
    }
    if (part['type'] === 'text' && typeof part['text'] !== 'string') {
      return `.content[${i}].text: expected a string, found ${formatValue(part['text'])}`;
    }
  }
  return null;
}

/**
 * `tools` and `parallel_tool_calls` beside a row's messages; null is the same as absent.
 * @throws Failure `data-invalid` for values of another kind, and for `functions`, their old name; as `checkJson`.
 */
export function parseTools(row: Readonly<Record<string, unknown>>, place: string): ToolFields {
  const { tools, parallel_tool_calls: parallel, functions } = row;
  const refuse = (expected: string, found: string): Failure =>
    new Failure('data-invalid', `${place}: expected ${expected}, found ${found}`);
  if (functions !== undefined && functions !== null) throw refuse('"tools"', '"functions", its old name');
  if (tools !== undefined && tools !== null && !(Array.isArray(tools) && tools.every(isObject))) {
    throw refuse('a list of objects in "tools"', Array.isArray(tools) ? 'other items' : formatValue(tools));
  }
  if (parallel !== undefined && parallel !== null && typeof parallel !== 'boolean') {
    throw refuse('true or false in "parallel_tool_calls"', formatValue(parallel));
  }
  checkJson(tools, `${place}: tools`);
  return {
    ...(Array.isArray(tools) ? { tools } : {}),
    ...(typeof parallel === 'boolean' ? { parallel_tool_calls: parallel } : {}),
  };
}

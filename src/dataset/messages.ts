import type { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { checkJson } from './check-values.ts';
import { createDataFailure, type FindingCode } from './findings.ts';
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
    throw createDataFailure('chat-messages', `${place}: expected a list of messages, found ${formatValue(value)}`, {
      hint: 'Messages are written in JSON Lines: [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}].',
    });
  }
  if (value.length === 0) throw createDataFailure('chat-messages', `${place}: expected messages, found an empty list`);
  for (const [i, message] of (value as unknown[]).entries()) {
    const problem = isObject(message) ? findMessageProblem(message) : `: expected a message, found ${formatValue(message)}`;
    if (problem !== null) throw createDataFailure(findCode(problem), `${place}[${i}]${problem}`);
  }
  checkJson(value, place);
  checkToolAnswers(value as ChatMessage[], place);
  return value as ChatMessage[];
}

/** Answers of tools follow the calls that they belong to. */
function checkToolAnswers(messages: readonly ChatMessage[], place: string): void {
  let open: unknown[] = [];
  for (const [i, { role, tool_calls: calls, tool_call_id: id }] of messages.entries()) {
    if (role !== 'tool') {
      open = Array.isArray(calls) ? (calls as { id?: unknown }[]).map((call) => call.id) : [];
      continue;
    }
    // Templates of open models need no identifiers.
    const at = id === undefined || id === null ? 0 : open.findIndex((one) => one === id || one === undefined);
    if (at < 0 || open.length === 0) {
      const found =
        open.length === 0 ? 'no open call' : `the answer to ${formatValue(id)}, and open calls ${open.map(formatValue).join(', ')}`;
      const hint = 'Each message of the role "tool" answers one of the "tool_calls" of the assistant’s message before it.';
      throw createDataFailure('tools-unknown', `${place}[${i}]: expected an answer to a call before it, found ${found}`, { hint });
    }
    open.splice(at, 1);
  }
}

/** Problems begin with the path of the field. */
function findCode(problem: string): FindingCode {
  if (problem.startsWith('.role')) return 'chat-role';
  if (problem.startsWith('.weight')) return 'chat-weight';
  if (problem.includes('expected an answer')) return 'chat-answer';
  if (problem.startsWith('.content')) return 'chat-content';
  return problem.startsWith(':') || problem.startsWith('.name') ? 'chat-messages' : 'chat-tools';
}

/** The first wrong field with what is wrong, or null. */
function findMessageProblem(message: Readonly<Record<string, unknown>>): string | null {
  const { role, content, name, weight, tool_calls: calls, function_call: call } = message;
  if (role === 'function') return '.role: expected "tool", found "function", its old name, which is read in rows of chats only';
  if (!roles.includes(role))
    return `.role: expected ${roles.slice(0, -1).join(', ')} or ${String(roles.at(-1))}, found ${formatValue(role)}`;
  if (call !== undefined && call !== null) return '.function_call: expected "tool_calls", found its old name';
  if (name !== undefined && name !== null && typeof name !== 'string') return `.name: expected a text, found ${formatValue(name)}`;
  if (weight !== undefined && weight !== 0 && weight !== 1) return `.weight: expected 0 or 1, found ${formatValue(weight)}`;
  const hasCalls = calls !== undefined && calls !== null;
  if (hasCalls && role !== 'assistant')
    return `.tool_calls: expected on assistant messages only, found on a message of role ${formatValue(role)}`;
  const problem = hasCalls ? findCallsProblem(calls) : null;
  return problem ?? findContentProblem(content, role as string, hasCalls);
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

function findContentProblem(content: unknown, role: string, hasCalls: boolean): string | null {
  const isAnswer = role === 'assistant';
  if (hasCalls && (content === undefined || content === null)) return null;
  if (typeof content === 'string') {
    // An empty system message or result of a tool has a meaning; an empty answer teaches nothing.
    return isAnswer && !hasCalls && !/\S/.test(content) ? '.content: expected an answer, found an empty text' : null;
  }
  if (!Array.isArray(content) || content.length === 0) {
    return `.content: expected a string or a list of parts, found ${formatValue(content)}`;
  }
  for (const [i, part] of (content as unknown[]).entries()) {
    const problem = findPartProblem(part, role);
    if (problem !== null) return `.content[${i}]${problem}`;
  }
  return null;
}

/** Parts of content by their type: the roles that may have them, and the field that each needs. */
const parts: Readonly<Record<string, { readonly roles: readonly string[]; readonly field: string | null }>> = {
  text: { roles: ['system', 'developer', 'user', 'assistant', 'tool'], field: 'text' },
  image_url: { roles: ['user'], field: 'image_url' },
  image: { roles: ['user'], field: null }, // as TRL has it: the images stand beside the messages
  input_audio: { roles: ['user'], field: 'input_audio' },
  file: { roles: ['user'], field: 'file' },
  refusal: { roles: ['assistant'], field: 'refusal' },
};

/** Parts of the Responses API by those of a chat. */
const partsOfResponses: Readonly<Record<string, string>> = {
  input_text: 'text',
  output_text: 'text',
  input_image: 'image_url',
  input_file: 'file',
};

function findPartProblem(part: unknown, role: string): string | null {
  if (!isObject(part) || typeof part['type'] !== 'string') return `: expected a part with a "type", found ${formatValue(part)}`;
  const { type } = part;
  if (!Object.hasOwn(parts, type)) {
    const names = Object.keys(parts).map(formatValue);
    const meant = Object.hasOwn(partsOfResponses, type) ? `, a part of the Responses API: in a chat it is "${partsOfResponses[type]}"` : '';
    return `.type: expected ${names.slice(0, -1).join(', ')} or ${names.at(-1)}, found ${formatValue(type)}${meant}`;
  }
  const { roles: allowed, field } = parts[type]!;
  if (!allowed.includes(role))
    return `.type: expected ${formatValue(type)} in messages of the ${allowed.join(' or ')} only, found one of the ${role}`;
  const value = field === null ? undefined : part[field];
  if (type === 'text' || type === 'refusal')
    return typeof value === 'string' ? null : `.${field}: expected a string, found ${formatValue(value)}`;
  if (type === 'image_url') return findImageProblem(value);
  if (type === 'input_audio') return findAudioProblem(value);
  return field === null || isObject(value) ? null : `.${field}: expected an object, found ${formatValue(value)}`;
}

function findAudioProblem(audio: unknown): string | null {
  const { data, format } = isObject(audio) ? audio : {};
  if (typeof data === 'string' && (format === 'wav' || format === 'mp3')) return null;
  return `.input_audio: expected {"data": …, "format": "wav" or "mp3"}, found ${formatValue(audio)}`;
}

function findImageProblem(image: unknown): string | null {
  if (!isObject(image)) return `.image_url: expected {"url": …}, found ${formatValue(image)}`;
  const { url, detail } = image;
  if (detail !== undefined && detail !== 'auto' && detail !== 'low' && detail !== 'high')
    return `.image_url.detail: expected "auto", "low" or "high", found ${formatValue(detail)}`;
  if (typeof url === 'string' && /^(https?:\/\/|data:image\/[\w.+-]+;base64,)/i.test(url)) return null;
  return `.image_url.url: expected an address, or data:image/…;base64,…, found ${formatValue(url)}`;
}

/**
 * `tools` and `parallel_tool_calls` beside a row's messages; null is the same as absent.
 * @throws Failure `data-invalid` for values of another kind, and for `functions`, their old name; as `checkJson`.
 */
export function parseTools(row: Readonly<Record<string, unknown>>, place: string): ToolFields {
  const { tools, parallel_tool_calls: parallel, functions } = row;
  const refuse = (expected: string, found: string): Failure =>
    createDataFailure('chat-tools', `${place}: expected ${expected}, found ${found}`);
  if (functions !== undefined && functions !== null) throw refuse('"tools"', '"functions", its old name');
  if (tools !== undefined && tools !== null && !(Array.isArray(tools) && tools.every(isObject))) {
    throw refuse('a list of objects in "tools"', Array.isArray(tools) ? 'other items' : formatValue(tools));
  }
  const nameless = Array.isArray(tools) ? tools.findIndex((tool) => !isNamed(tool)) : -1;
  if (nameless >= 0)
    throw refuse(`a tool {"type", "function": {"name", …}} as tools[${nameless}]`, formatValue((tools as unknown[])[nameless]));
  if (parallel !== undefined && parallel !== null && typeof parallel !== 'boolean') {
    throw refuse('true or false in "parallel_tool_calls"', formatValue(parallel));
  }
  checkJson(tools, `${place}: tools`);
  return {
    ...(Array.isArray(tools) ? { tools } : {}),
    ...(typeof parallel === 'boolean' ? { parallel_tool_calls: parallel } : {}),
  };
}

/** Whether a tool has a name, with which calls ask for it; some programs write the function alone. */
function isNamed(tool: Readonly<Record<string, unknown>>): boolean {
  const { name } = isObject(tool['function']) ? tool['function'] : tool;
  return typeof name === 'string' && name !== '';
}

/** The rules for conversations and pairs of answers, written from docs/data.md. */
import { isDeepStrictEqual } from 'node:util';
import type { Columns } from '../../../src/dataset/row.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A row that cannot be used. */
export class RowFault extends Error {}

export interface RowReading {
  readonly columns: Columns;
  /** The form of the first conversation of the file, and what stands first between labels. */
  readonly memory: { form: string | null; sign: string | null };
}

export function checkText(value: unknown): string {
  if (typeof value !== 'string') throw new RowFault('no text');
  if (value.trim() === '') throw new RowFault('a blank text');
  if (hasHalfPair(value)) throw new RowFault('half a pair');
  return value;
}

export function hasHalfPair(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

function expect(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new RowFault(what);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function has(row: Fields, name: string): boolean {
  return Object.keys(row).includes(name);
}

export function toChat(row: Fields, { columns, memory }: RowReading): object {
  const column = columns['messages']!;
  const form = findForm(row, column);
  expect(form !== null, 'no conversation');
  const kind = form === 'calls of old' ? 'messages' : form;
  memory.form ??= kind;
  expect(memory.form === kind, 'another form than before');
  const { messages, ...rest } = toMessages(row, form, column);
  checkMessages(messages);
  expect(messages.at(-1)!['role'] === 'assistant' && messages.length > 1, 'no answer at the end, or nothing before it');
  expect(
    messages.some(({ role, weight }) => role === 'assistant' && weight !== 0),
    'nothing to learn',
  );
  return { messages, ...checkTools(rest) };
}

function findForm(row: Fields, column: string): string | null {
  const isTurns = (value: unknown): boolean =>
    Array.isArray(value) && isObject(value[0]) && has(value[0], 'from') && has(value[0], 'value');
  if (has(row, column)) {
    if (isTurns(row[column])) return 'sharegpt';
    const messages = Array.isArray(row[column]) ? (row[column] as unknown[]) : [];
    const isOld = messages.some((one) => isObject(one) && (one['role'] === 'function' || isGiven(one['function_call'])));
    return isOld || isGiven(row['functions']) ? 'calls of old' : 'messages';
  }
  if (column !== 'messages') return null;
  if (isTurns(row['conversations'])) return 'sharegpt';
  if (Array.isArray(row['conversations'])) return 'messages';
  if (typeof row['instruction'] === 'string' && typeof row['output'] === 'string') return 'alpaca';
  return has(row, 'prompt') && has(row, 'completion') ? 'completion' : null;
}

interface Conversation {
  readonly messages: readonly Fields[];
  readonly tools?: unknown;
  readonly parallel_tool_calls?: unknown;
  readonly functions?: unknown;
}

function toMessages(row: Fields, form: string, column: string): Conversation {
  const name = has(row, column) ? column : 'conversations';
  if (form === 'messages') return { ...row, messages: row[name] as Fields[] };
  if (form === 'alpaca') {
    const asked =
      typeof row['input'] === 'string' && row['input'].trim() !== ''
        ? `${String(row['instruction'])}\n\n${row['input']}`
        : row['instruction'];
    return {
      messages: [
        { role: 'user', content: asked },
        { role: 'assistant', content: row['output'] },
      ],
    };
  }
  if (form === 'completion') {
    const turns = (value: unknown, role: string): Fields[] => (Array.isArray(value) ? (value as Fields[]) : [{ role, content: value }]);
    return { ...row, messages: [...turns(row['prompt'], 'user'), ...turns(row['completion'], 'assistant')] };
  }
  if (form === 'calls of old') return { ...renewTools(row), messages: renewCalls(row[name]) };
  const roles: Readonly<Record<string, string>> = {
    ...Object.fromEntries(['human', 'user'].map((from) => [from, 'user'])),
    ...Object.fromEntries(['gpt', 'assistant', 'chatgpt', 'model', 'bot'].map((from) => [from, 'assistant'])),
    system: 'system',
  };
  const messages = (row[name] as unknown[]).map((turn): Fields => {
    expect(isObject(turn) && typeof turn['from'] === 'string' && Object.keys(roles).includes(turn['from']), 'no turn');
    return {
      role: roles[turn['from']]!,
      content: turn['value'],
      ...(turn['weight'] === undefined ? {} : { weight: turn['weight'] }),
    };
  });
  const { system, tools, parallel_tool_calls: parallel } = row;
  const isAsked = typeof system === 'string' && system !== '';
  return { tools, parallel_tool_calls: parallel, messages: isAsked ? [{ role: 'system', content: system }, ...messages] : messages };
}

function renewTools({ functions, ...rest }: Fields): Fields {
  if (!Array.isArray(functions) || functions.length === 0 || isGiven(rest['tools'])) return rest;
  return { ...rest, tools: functions.map((one: Fields) => (typeof one['name'] === 'string' ? { type: 'function', function: one } : one)) };
}

function renewCalls(given: unknown): Fields[] {
  if (!Array.isArray(given)) return given as Fields[]; // refused below
  const messages = given as Fields[];
  let calls = 0;
  return messages.map((message) => {
    if (!isObject(message)) return message;
    const { function_call: call, ...rest } = message;
    if (isGiven(call)) return { ...rest, tool_calls: [{ id: `call_${++calls}`, type: 'function', function: call }] };
    return rest['role'] === 'function' && calls > 0 ? { ...rest, role: 'tool', tool_call_id: `call_${calls}` } : rest;
  });
}

function checkMessages(messages: unknown): asserts messages is readonly Fields[] {
  expect(Array.isArray(messages) && messages.length > 0, 'no messages');
  for (const message of messages as unknown[]) {
    expect(isObject(message), 'no message');
    const { role, content, name, weight, tool_calls: calls, function_call: call } = message;
    expect(!isGiven(name) || typeof name === 'string', 'a name that is no text');
    expect(['system', 'developer', 'user', 'assistant', 'tool'].includes(role as string), 'an unknown role');
    expect(!isGiven(call), 'a call of old');
    expect(weight === undefined || weight === 0 || weight === 1, 'another weight');
    if (isGiven(calls)) {
      expect(role === 'assistant' && Array.isArray(calls) && calls.length > 0, 'calls in another place');
      for (const one of calls as unknown[]) {
        expect(isObject(one) && isObject(one['function']), 'no call');
        const { name: called, arguments: given } = one['function'];
        expect(typeof called === 'string' && called !== '' && (typeof given === 'string' || isObject(given)), 'a call without its parts');
      }
      if (!isGiven(content)) continue;
    }
    if (typeof content === 'string') {
      expect(role !== 'assistant' || isGiven(calls) || content.trim() !== '', 'an empty answer');
      continue;
    }
    expect(Array.isArray(content) && content.length > 0, 'no content');
    for (const part of content as unknown[]) expect(isPart(part, role as string), 'a part of another kind');
  }
  checkValues(messages);
}

function isPart(part: unknown, role: string): boolean {
  if (!isObject(part)) return false;
  const isUser = role === 'user';
  switch (part['type']) {
    case 'text':
      return typeof part['text'] === 'string';
    case 'refusal':
      return role === 'assistant' && typeof part['refusal'] === 'string';
    case 'image':
      return isUser;
    case 'image_url':
      return (
        isUser && isObject(part['image_url']) && /^(?:https?:\/\/|data:image\/[\w.+-]+;base64,)/i.test(String(part['image_url']['url']))
      );
    case 'input_audio':
      return (
        isUser &&
        isObject(part['input_audio']) &&
        typeof part['input_audio']['data'] === 'string' &&
        ['wav', 'mp3'].includes(String(part['input_audio']['format']))
      );
    case 'file':
      return isUser && isObject(part['file']);
    default:
      return false;
  }
}

/** No half of a surrogate pair, no number beyond 64 bits, and at most 100 lists and objects inside one another. */
function checkValues(value: unknown, outer = 0): void {
  if (typeof value === 'string') expect(!hasHalfPair(value), 'half a pair');
  if (typeof value === 'number') expect(isFinite(value), 'no number');
  if (typeof value !== 'object' || value === null) return;
  expect(outer < 100, 'too deep');
  for (const [name, inner] of Object.entries(value)) {
    expect(!hasHalfPair(name), 'half a pair in a name');
    checkValues(inner, outer + 1);
  }
}

function isTool(tool: unknown): boolean {
  if (!isObject(tool)) return false;
  const { name } = isObject(tool['function']) ? tool['function'] : tool;
  return typeof name === 'string' && name !== '';
}

function checkTools({ tools, parallel_tool_calls: parallel, functions }: Omit<Conversation, 'messages'>): object {
  expect(!isGiven(functions), 'functions of old');
  expect(!isGiven(tools) || (Array.isArray(tools) && tools.every(isTool)), 'no list of tools');
  expect(!isGiven(parallel) || typeof parallel === 'boolean', 'neither true nor false');
  checkValues(tools);
  return { ...(isGiven(tools) ? { tools } : {}), ...(isGiven(parallel) ? { parallel_tool_calls: parallel } : {}) };
}

export function toPreference(row: Fields, columns: Columns): object {
  const isOpenai = has(row, 'preferred_output') || has(row, 'non_preferred_output');
  const isUsual = columns['prompt'] === undefined && columns['chosen'] === 'chosen' && columns['rejected'] === 'rejected';
  if (isUsual && isOpenai && !has(row, 'chosen') && !has(row, 'rejected')) {
    const { input, preferred_output: chosen, non_preferred_output: rejected } = row;
    expect(isObject(input), 'no input');
    for (const one of [input['messages'], chosen, rejected]) checkMessages(one);
    return toPair({ prompt: input['messages'] as Fields[], chosen: chosen as Fields[], rejected: rejected as Fields[] }, input);
  }
  const take = (name: string, role: string): readonly Fields[] => {
    const value = row[name];
    if (Array.isArray(value)) {
      const messages: unknown = value;
      checkMessages(messages);
      return messages;
    }
    return [{ role, content: checkText(value) }];
  };
  expect(has(row, columns['chosen']!) && has(row, columns['rejected']!), 'a missing column');
  const chosen = take(columns['chosen']!, 'assistant');
  const rejected = take(columns['rejected']!, 'assistant');
  const name = columns['prompt'] ?? 'prompt';
  expect(columns['prompt'] === undefined || has(row, name), 'a missing column');
  const prompt = has(row, name) ? take(name, 'user') : null;
  const isText = prompt !== null && typeof row[name] === 'string';
  const cut = (count: number): object =>
    toPair({ prompt: chosen.slice(0, count), chosen: chosen.slice(count), rejected: rejected.slice(count) }, row);
  if (prompt !== null && !isText) {
    const repeats = (end: readonly Fields[]): boolean =>
      end.length > prompt.length && isDeepStrictEqual(end.slice(0, prompt.length), prompt);
    return repeats(chosen) && repeats(rejected) ? cut(prompt.length) : toPair({ prompt, chosen, rejected }, row);
  }
  const common = countCommon(chosen, rejected);
  const isAsked = chosen.slice(0, common).some(({ role, content }) => role === 'user' && content === row[name]);
  if (prompt === null || isAsked) return cut(common);
  return toPair({ prompt, chosen, rejected }, row);
}

/** The longest common beginning after which both go on with the assistant. */
function countCommon(chosen: readonly Fields[], rejected: readonly Fields[]): number {
  const isPrompt = (count: number): boolean =>
    count < Math.min(chosen.length, rejected.length) &&
    isDeepStrictEqual(chosen.slice(0, count), rejected.slice(0, count)) &&
    (count === 0 || (chosen[count]!['role'] === 'assistant' && rejected[count]!['role'] === 'assistant'));
  for (let count = Math.min(chosen.length, rejected.length); count > 0; count--) if (isPrompt(count)) return count;
  return 0;
}

interface Pair {
  readonly prompt: readonly Fields[];
  readonly chosen: readonly Fields[];
  readonly rejected: readonly Fields[];
}

function toPair(pair: Pair, row: Fields): object {
  expect(pair.prompt.length > 0, 'no prompt');
  for (const end of [pair.chosen, pair.rejected]) {
    expect(end[0]?.['role'] === 'assistant' && end.at(-1)!['role'] === 'assistant', 'no answer');
  }
  expect(!isDeepStrictEqual(pair.chosen, pair.rejected), 'the same answers');
  return { ...pair, ...checkTools(row) };
}

import { countTokens } from './tokens.ts';

/** The message that a model is to answer with. */
export interface AnswerMessage {
  readonly content: string | null;
  readonly tool_calls?: readonly unknown[];
}

/** What one line teaches. */
export interface Example {
  /** Text of the last user message. */
  readonly prompt: string;
  readonly answer: AnswerMessage;
}

export interface TrainingFile {
  readonly examples: readonly Example[];
  /** Tokens of all lines, once through. */
  readonly tokens: number;
  /** What is wrong with it, in the service's words; null: nothing. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

export type Method = 'supervised' | 'dpo';

const leastExamples = 10;

/** Reads a JSON Lines file for a method. `what`: as error messages call it, "training" or "validation". */
export function readTrainingFile(bytes: Buffer, method: Method, what: 'training' | 'validation'): TrainingFile {
  const examples: Example[] = [];
  let tokens = 0;
  for (const [i, line] of bytes.toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const read = readLine(line, method);
    if ('problem' in read) {
      const message = `The job failed due to an invalid ${what} file. Invalid file format. Line ${i + 1}: ${read.problem}`;
      return { examples, tokens, problem: { code: `invalid_${what}_file`, message } };
    }
    examples.push(read.example);
    tokens += read.tokens;
  }
  const isShort = what === 'training' && examples.length < leastExamples;
  const message = `Training file has ${examples.length} example(s), but must have at least ${leastExamples} examples`;
  return { examples, tokens, problem: isShort ? { code: 'invalid_n_examples', message } : null };
}

type LineRead = { readonly example: Example; readonly tokens: number } | { readonly problem: string };

function readLine(line: string, method: Method): LineRead {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { problem: 'expected a JSON object' };
  }
  if (!isObject(value)) return { problem: 'expected a JSON object' };
  return method === 'dpo' ? readPreference(value) : readConversation(value);
}

function readConversation(value: Readonly<Record<string, unknown>>): LineRead {
  const { messages, tools: _tools, parallel_tool_calls: _parallel, functions: _functions, ...others } = value;
  const stray = Object.keys(others)[0];
  if (stray !== undefined) return { problem: `unexpected key "${stray}"` };
  const problem = findMessageProblem(messages);
  if (problem !== null) return { problem };
  const list = messages as Message[];
  const last = list.findLastIndex(({ role, weight }) => role === 'assistant' && weight !== 0);
  if (last < 0) return { problem: 'expected at least one message from the assistant' };
  return { example: toExample(list.slice(0, last), list[last]!), tokens: countMessageTokens(list) };
}

function readPreference(value: Readonly<Record<string, unknown>>): LineRead {
  const { input, preferred_output: preferred, non_preferred_output: other, ...others } = value;
  const stray = Object.keys(others)[0];
  if (stray !== undefined) return { problem: `unexpected key "${stray}"` };
  if (!isObject(input)) return { problem: 'expected an object in "input"' };
  const problem = findMessageProblem(input['messages']) ?? findOutputProblem(preferred) ?? findOutputProblem(other);
  if (problem !== null) return { problem };
  const messages = input['messages'] as Message[];
  const outputs = [...(preferred as Message[]), ...(other as Message[])];
  return { example: toExample(messages, (preferred as Message[]).at(-1)!), tokens: countMessageTokens([...messages, ...outputs]) };
}

export interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly unknown[];
  readonly weight?: number;
}

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

function findOutputProblem(value: unknown): string | null {
  const problem = findMessageProblem(value);
  if (problem !== null) return problem;
  return (value as Message[]).every(({ role }) => role === 'assistant') ? null : 'expected messages from the assistant as outputs';
}

/** Null: it is a list of messages. */
export function findMessageProblem(value: unknown): string | null {
  if (!Array.isArray(value) || value.length === 0) return 'expected a list of messages';
  for (const message of value as unknown[]) {
    if (!isObject(message) || !roles.includes(String(message['role'])))
      return `expected a message with one of the roles ${roles.join(', ')}`;
    const { content, tool_calls: calls, function_call: call, weight } = message;
    const mayBeEmpty =
      message['role'] === 'assistant' && (Array.isArray(calls) || isObject(call) || typeof message['refusal'] === 'string');
    if (typeof content !== 'string' && !Array.isArray(content) && !(content == null && mayBeEmpty)) return 'expected content in a message';
    if (weight !== undefined && weight !== 0 && weight !== 1) return 'expected 0 or 1 as weight of a message';
  }
  return null;
}

function toExample(before: readonly Message[], { content, tool_calls: calls }: Message): Example {
  const text = content == null ? null : toText(content);
  return { prompt: toLastUserText(before), answer: { content: text, ...(calls === undefined ? {} : { tool_calls: calls }) } };
}

export function toLastUserText(messages: readonly Message[]): string {
  return toText(messages.findLast(({ role }) => role === 'user')?.content);
}

/** The text of a message's content, which may come in parts. */
export function toText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as unknown[]).map((part) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

/** Text and a few tokens for each message's frame. */
export function countMessageTokens(messages: readonly Message[]): number {
  const count = ({ content, tool_calls: calls }: Message): number =>
    3 + countTokens(toText(content)) + (calls === undefined ? 0 : countTokens(JSON.stringify(calls)));
  return messages.reduce((sum, message) => sum + count(message), 3);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

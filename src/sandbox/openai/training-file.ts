import { z } from 'zod';

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

/** A message of a conversation; only an assistant's that has something else may be without content. */
export const Message = z
  .looseObject({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
    content: z.union([z.string(), z.array(z.unknown())]).nullish(),
    tool_calls: z.array(z.unknown()).optional(),
    weight: z.union([z.literal(0), z.literal(1)], 'expected 0 or 1 as weight of a message').optional(),
  })
  .refine(
    ({ role, content, tool_calls: calls, function_call: call, refusal }) =>
      content != null || (role === 'assistant' && (calls ?? call ?? refusal) != null),
    'expected content in a message',
  );
export type Message = z.infer<typeof Message>;

const Messages = z.array(Message).min(1);

const Conversation = z
  .strictObject({ messages: Messages, tools: z.unknown(), parallel_tool_calls: z.unknown(), functions: z.unknown() })
  .partial({ tools: true, parallel_tool_calls: true, functions: true })
  .refine(({ messages }) => findAnswerIndex(messages) >= 0, 'expected at least one message from the assistant');

const Output = Messages.refine(
  (messages) => messages.every(({ role }) => role === 'assistant'),
  'expected messages from the assistant as outputs',
);
const Preference = z.strictObject({
  input: z.looseObject({ messages: Messages }),
  preferred_output: Output,
  non_preferred_output: Output,
});

const leastExamples = 10;

/** Parses a JSON Lines file for a method. `part`: as error messages call it. */
export function parseTrainingFile(bytes: Buffer, method: Method, part: 'training' | 'validation'): TrainingFile {
  const examples: Example[] = [];
  let tokens = 0;
  for (const [i, line] of bytes.toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const parsed = (method === 'dpo' ? Preference : Conversation).safeParse(parseJson(line));
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      const text = `Invalid file format. Line ${i + 1}${path.length === 0 ? '' : `, ${path.join('.')}`}: ${message}`;
      return {
        examples,
        tokens,
        problem: { code: `invalid_${part}_file`, message: `The job failed due to an invalid ${part} file. ${text}` },
      };
    }
    const { before, answer, all } = readLine(parsed.data);
    examples.push({ prompt: findLastUserText(before), answer });
    tokens += countMessageTokens(all);
  }
  const isShort = part === 'training' && examples.length < leastExamples;
  const message = `Training file has ${examples.length} example(s), but must have at least ${leastExamples} examples`;
  return { examples, tokens, problem: isShort ? { code: 'invalid_n_examples', message } : null };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

interface ParsedLine {
  readonly before: readonly Message[];
  readonly answer: AnswerMessage;
  readonly all: readonly Message[];
}

function readLine(line: z.infer<typeof Conversation> | z.infer<typeof Preference>): ParsedLine {
  if ('messages' in line) {
    const index = findAnswerIndex(line.messages);
    return { before: line.messages.slice(0, index), answer: getAnswer(line.messages[index]!), all: line.messages };
  }
  const { input, preferred_output: preferred, non_preferred_output: other } = line;
  return { before: input.messages, answer: getAnswer(preferred.at(-1)!), all: [...input.messages, ...preferred, ...other] };
}

function findAnswerIndex(messages: readonly Message[]): number {
  return messages.findLastIndex(({ role, weight }) => role === 'assistant' && weight !== 0);
}

function getAnswer({ content, tool_calls: calls }: Message): AnswerMessage {
  return { content: content == null ? null : getText(content), ...(calls === undefined ? {} : { tool_calls: calls }) };
}

export function findLastUserText(messages: readonly Message[]): string {
  return getText(messages.findLast(({ role }) => role === 'user')?.content);
}

/** The text of a message's content, which may come in parts. */
export function getText(content: Message['content']): string {
  if (!Array.isArray(content)) return content ?? '';
  return content.map((part) => (part as { readonly text?: string } | null)?.text ?? '').join('');
}

/** A stand-in for a tokenizer: words with the space before them, in pieces of at most 12 letters, and runs of other signs. */
export function splitTokens(text: string): string[] {
  return text.match(/\s?[\p{L}\p{N}]{1,12}|\s?[^\s\p{L}\p{N}]{1,4}|\s+/gu) ?? [];
}

/** Text and a few tokens for each message's frame. */
export function countMessageTokens(messages: readonly Message[]): number {
  const texts = messages.map(({ content, tool_calls: calls }) => getText(content) + (calls === undefined ? '' : JSON.stringify(calls)));
  return 3 + texts.reduce((sum, text) => sum + 3 + splitTokens(text).length, 0);
}

/** The forms that rows can be converted to: each makes one row of theirs from one of ours, or says why it cannot. */
import { createDataFailure } from '../dataset/findings.ts';
import { formatLabelList, readLabelList } from '../dataset/label-list.ts';
import type { ChatMessage, ToolFields } from '../dataset/row.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import type { Example } from './read-examples.ts';

export const forms = [
  'chat',
  'classification',
  'multi-label',
  'preference',
  'openai-preference',
  'prompt-completion',
  'text',
  'sharegpt',
  'alpaca',
] as const;

export type Form = (typeof forms)[number];

type Row = Example['row'];
type Fields = Readonly<Record<string, unknown>>;

export interface FormOptions {
  /** Names file and line in errors. */
  readonly place: string;
  /** Stands before conversations that have no system message; null: none. */
  readonly system: string | null;
  /** Whether prompts and answers are texts, else lists of messages; and several labels one text, else a list. */
  readonly asText: boolean;
  /** Is told what of a row has no place in the form, and what else becomes other than it was. */
  readonly onLoss: (what: string) => void;
}

/** @throws Failure `data-invalid` (`shape-target`) for a row that the form cannot hold */
export function toForm(form: Form, row: Row, options: FormOptions): Fields {
  return writers[form](row, options);
}

/** Whether a form has prompts and answers that may be texts or lists of messages. */
export function mayBeText(form: Form): boolean {
  return form === 'prompt-completion' || form === 'preference';
}

const writers: Readonly<Record<Form, (row: Row, options: FormOptions) => Fields>> = {
  chat(row, options) {
    const messages = toMessages(row, options);
    return { messages, ...getTools(row) };
  },
  classification: toClassification,
  'multi-label': toMultiLabel,
  preference(row, options) {
    const { prompt, chosen, rejected } = getPair(row, options);
    if (!options.asText) return { prompt, chosen, rejected, ...getTools(row) };
    const [better, worse] = [chosen, rejected].map((end) => toExchange([...prompt, ...end], options));
    if (better!.system !== null) throw refuse(options, 'a prompt that is a text', 'a system message');
    refuseTools(row, options);
    return { prompt: better!.question, chosen: better!.answer, rejected: worse!.answer };
  },
  'openai-preference'(row, options) {
    const { prompt, chosen, rejected } = getPair(row, options);
    return { input: { messages: prompt, ...getTools(row) }, preferred_output: chosen, non_preferred_output: rejected };
  },
  'prompt-completion': toPromptCompletion,
  text(row, options) {
    if (!('text' in row)) {
      throw refuse(options, 'a text', 'a conversation', 'The chat template of a model makes a text of a conversation: train it as a chat.');
    }
    if ('text2' in row) throw refuse(options, 'one text', 'a pair');
    if ('label' in row || 'labels' in row) options.onLoss('the labels have no place in texts');
    if ('value' in row) options.onLoss('the numbers have no place in texts');
    return { text: row.text };
  },
  sharegpt(row, options) {
    const conversations = toMessages(row, options).map((message, i) => toTurn(message, { ...options, place: `${options.place}[${i}]` }));
    const { tools, ...rest } = getTools(row);
    return { conversations, ...(tools === undefined ? {} : { tools: JSON.stringify(tools) }), ...rest };
  },
  alpaca: toAlpaca,
};

function refuse({ place }: FormOptions, expected: string, found: string, hint?: string): Error {
  return createDataFailure('shape-target', `${place}: expected ${expected}, found ${found}`, hint === undefined ? {} : { hint });
}

function getTools(row: Row): ToolFields {
  const { tools, parallel_tool_calls: parallel } = row as ToolFields;
  return {
    ...(tools === undefined ? {} : { tools }),
    ...(parallel === undefined ? {} : { parallel_tool_calls: parallel }),
  };
}

function refuseTools(row: Row, options: FormOptions): void {
  if (Object.keys(getTools(row)).length > 0) throw refuse(options, 'a row without tools', 'tools, which have no place there');
}

/** The conversation of a row: of a text with its label, a question and its answer; of a preference, the better one. */
function toMessages(row: Row, options: FormOptions): readonly ChatMessage[] {
  return withSystem(getMessages(row, options), options);
}

function getMessages(row: Row, options: FormOptions): readonly ChatMessage[] {
  if ('messages' in row) return row.messages;
  if ('prompt' in row) {
    options.onLoss('the worse answers have no place in conversations');
    return [...row.prompt, ...row.chosen];
  }
  const answer = getAnswer(row);
  if (answer === null) throw refuse(options, 'an answer to learn', 'a text alone', 'Name the column of the answers: --columns label=NAME.');
  const pair = 'text2' in row && row.text2 !== undefined ? [row.text2] : [];
  if (pair.length > 0) options.onLoss('the two texts of a pair became one, with an empty line between them');
  return [
    { role: 'user', content: [row.text, ...pair].join('\n\n') },
    { role: 'assistant', content: answer },
  ];
}

/** What a model learns to say of a text; null: the text stands alone. */
function getAnswer(row: Row): string | null {
  if ('label' in row) return row.label;
  if ('labels' in row) return formatLabelList(row.labels);
  return 'value' in row ? String(row.value) : null;
}

function withSystem(messages: readonly ChatMessage[], { system, onLoss }: FormOptions): readonly ChatMessage[] {
  if (system === null) return messages;
  const isOwn = messages[0]?.role === 'system' || messages[0]?.role === 'developer';
  if (!isOwn) return [{ role: 'system', content: system }, ...messages];
  if (messages[0]!.content !== system) onLoss('conversations keep a system message of their own');
  return messages;
}

function getPair(row: Row, options: FormOptions): { readonly [End in 'prompt' | 'chosen' | 'rejected']: readonly ChatMessage[] } {
  if (!('prompt' in row)) throw refuse(options, 'a better and a worse answer', 'one answer');
  return { ...row, prompt: withSystem(row.prompt, options) };
}

function toClassification(row: Row, options: FormOptions): Fields {
  if ('label' in row) return { ...getTexts(row), label: row.label };
  if ('value' in row) return { ...getTexts(row), label: row.value };
  if ('labels' in row) {
    const [label, ...others] = row.labels;
    if (label !== undefined && others.length === 0) return { ...getTexts(row), label };
    throw refuse(options, 'one label', label === undefined ? 'none' : `${row.labels.length}`, 'All labels of a row: --to multi-label');
  }
  const { question, answer } = toLabelled(row, options);
  return { text: question, label: answer };
}

/** Rows with one label have a list of it; an answer is a JSON list of labels, as a row becomes a chat. */
function toMultiLabel(row: Row, options: FormOptions): Fields {
  const format = (labels: readonly string[]): unknown => (options.asText ? formatLabelList(labels) : labels);
  if ('labels' in row) return { ...getTexts(row), labels: format(row.labels) };
  if ('label' in row) return { ...getTexts(row), labels: format([row.label]) };
  if ('value' in row) throw refuse(options, 'labels', 'a number');
  const { question, answer } = toLabelled(row, options);
  const labels = readLabelList(answer);
  if (labels?.every((label) => /\S/.test(label)) !== true) {
    const hint = 'An answer that is one label: --to classification';
    throw refuse(options, 'an answer that is a JSON list of labels', formatValue(answer), hint);
  }
  return { text: question, labels: format(readLabelList(formatLabelList(labels))!) };
}

function getTexts({ text, text2 }: { readonly text: string; readonly text2?: string }): Fields {
  return { text, ...(text2 === undefined ? {} : { text2 }) };
}

/** A text and what is said of it. */
function toLabelled(row: Row, options: FormOptions): Exchange {
  const exchange = toExchange(getMessages(row, options), options);
  refuseTools(row, options);
  if (exchange.system !== null) options.onLoss('the system messages have no place beside texts and labels');
  return exchange;
}

function toPromptCompletion(row: Row, options: FormOptions): Fields {
  const messages = toMessages(row, options);
  if (options.asText) {
    const { system, question, answer } = toExchange(messages, options);
    if (system !== null) throw refuse(options, 'a prompt that is a text', 'a system message');
    refuseTools(row, options);
    return { prompt: question, completion: answer };
  }
  const before = messages.slice(0, -1);
  if (before.some(({ role }) => role === 'assistant')) options.onLoss('earlier answers became part of the prompt, and are not learned');
  return { prompt: before, completion: messages.slice(-1), ...getTools(row) };
}

/** Whether a row has one question and one answer, both texts, and nothing else: then it fits in a prompt and a completion that are texts. */
export function isPlainExchange(row: Row, options: FormOptions, form: Form): boolean {
  try {
    toForm(form, row, { ...options, asText: true, onLoss: () => {} });
    return true;
  } catch {
    return false;
  }
}

interface Exchange {
  readonly system: string | null;
  readonly question: string;
  readonly answer: string;
}

/** A system message or none, one question and one answer, each of text alone. */
function toExchange(messages: readonly ChatMessage[], options: FormOptions): Exchange {
  const texts = messages.map((message, i) => toText(message, { ...options, place: `${options.place}: message ${i}` }));
  const roles = messages.map(({ role }) => (role === 'developer' ? 'system' : role)).join(' ');
  if (roles !== 'user assistant' && roles !== 'system user assistant') {
    throw refuse(options, 'one question and one answer', `the messages ${formatRoles(messages)}`);
  }
  const [answer, question, system = null] = texts.reverse();
  return { system, question: question!, answer: answer! };
}

function formatRoles(messages: readonly ChatMessage[]): string {
  const roles = messages.slice(0, 6).map(({ role }) => role);
  return `${roles.join(', ')}${messages.length > roles.length ? ', …' : ''}`;
}

/** The text of a message that is nothing else. A weight of 1 is what a message without a weight has. */
function toText(message: ChatMessage, options: FormOptions): string {
  const { role: _, content, weight, ...others } = message;
  if (weight !== undefined && weight !== 1) throw refuse(options, 'an answer that is learned', `the weight ${formatValue(weight)}`);
  const other = Object.entries(others).find(([, value]) => value !== undefined && value !== null);
  if (other !== undefined) throw refuse(options, 'text alone', `${formatValue(other[0])}, which has no place there`);
  if (typeof content === 'string') return content;
  const [part, ...more] = Array.isArray(content) ? (content as unknown[]) : [];
  if (isObject(part) && part['type'] === 'text' && more.length === 0) return part['text'] as string;
  throw refuse(options, 'text alone', content === null || content === undefined ? 'no content' : 'content in parts');
}

const turnNames: Readonly<Record<string, string>> = { system: 'system', user: 'human', assistant: 'gpt', tool: 'observation' };

/** A message as a turn of ShareGPT; a call of a tool is a turn of its own kind. */
function toTurn(message: ChatMessage, options: FormOptions): Fields {
  const { role, content, weight, tool_calls: calls, tool_call_id: _, ...others } = message;
  const learned = weight === undefined ? {} : { weight };
  const other = Object.entries(others).find(([, value]) => value !== undefined && value !== null);
  if (other !== undefined) throw refuse(options, 'turns of text', `${formatValue(other[0])}, which has no place there`);
  const from = turnNames[role];
  if (from === undefined) throw refuse(options, 'the roles system, user, assistant or tool', formatValue(role));
  if (Array.isArray(calls)) {
    if (calls.length > 1 || (typeof content === 'string' && content !== '')) {
      throw refuse(options, 'one call in a message, without text', calls.length > 1 ? 'several calls' : 'a text beside it');
    }
    options.onLoss('the numbers of the calls of tools have no place in ShareGPT: they are counted anew');
    const { name, arguments: given } = (calls[0] as { function: { name: string; arguments: unknown } }).function;
    return { from: 'function_call', value: JSON.stringify({ name, arguments: parseArguments(given) }), ...learned };
  }
  return { from, value: toText({ role, content }, options), ...learned };
}

function parseArguments(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    const value: unknown = JSON.parse(given);
    return isObject(value) && JSON.stringify(value) === given ? value : given;
  } catch {
    return given;
  }
}

/** A question and its answer, with the ones before it in `history`. */
function toAlpaca(row: Row, options: FormOptions): Fields {
  const messages = toMessages(row, options);
  refuseTools(row, options);
  const texts = messages.map((message, i) => toText(message, { ...options, place: `${options.place}: message ${i}` }));
  const hasSystem = messages[0]!.role === 'system';
  const turns = texts.slice(hasSystem ? 1 : 0);
  const isInTurn = messages.slice(hasSystem ? 1 : 0).every(({ role }, i) => role === (i % 2 === 0 ? 'user' : 'assistant'));
  if (!isInTurn || turns.length % 2 === 1) throw refuse(options, 'questions and answers in turn', `the messages ${formatRoles(messages)}`);
  const history = Array.from({ length: turns.length / 2 - 1 }, (_, i) => [turns[2 * i], turns[2 * i + 1]]);
  return {
    ...(hasSystem && texts[0] !== '' ? { system: texts[0] } : {}),
    instruction: turns.at(-2),
    input: '',
    output: turns.at(-1),
    ...(history.length === 0 ? {} : { history }),
  };
}

import { Failure } from '../errors.ts';
import type { ChatMessage, ChatRow, ClassificationRow, PreferenceRow, Row } from './row.ts';

export { parseLabel } from './parse-label.ts';

/** Names the rules by which a classification row becomes a chat; a change of any of them changes it. */
export const chatVersion = 'classification-chat/1';

/** The job's `prompt`: how a row becomes a chat. */
export interface ChatPrompt {
  readonly system?: string | undefined;
  readonly template?: string | undefined;
}

const defaultSystem = 'Classify the text.';

/**
 * The messages that ask a chat model for the label of a row: a system message, which ends with the labels, and the text.
 * @param prompt whose template `checkTemplate` let pass.
 */
export function toPromptMessages(
  { text, text2 }: Omit<ClassificationRow, 'label'>,
  prompt: ChatPrompt | null | undefined,
  labels: readonly string[],
): ChatMessage[] {
  const answer = `Answer with exactly one of these labels: ${labels.map((label) => JSON.stringify(label)).join(', ')}.`;
  const system = prompt?.system ?? defaultSystem;
  const template = prompt?.template ?? (text2 === undefined ? '{text}' : '{text}\n\n{text2}');
  return [
    { role: 'system', content: system === '' ? answer : `${system}\n\n${answer}` },
    // A function, so that neither `$&` nor `{text2}` in the text means anything.
    { role: 'user', content: template.replaceAll(/\{text(2?)\}/g, (_, second: string) => (second === '' ? text : (text2 ?? ''))) },
  ];
}

/** The same with the answer that is to be learned. */
export function toTrainingMessages(
  row: ClassificationRow,
  prompt: ChatPrompt | null | undefined,
  labels: readonly string[],
): ChatMessage[] {
  return [...toPromptMessages(row, prompt, labels), { role: 'assistant', content: row.label }];
}

/**
 * That a template names the row's text, and its second one just where rows are pairs. Braces around anything but a name are text.
 * @throws Failure `job-file-invalid`
 */
export function checkTemplate(template: string, isPair: boolean): void {
  const known = isPair ? ['text', 'text2'] : ['text'];
  const names = [...template.matchAll(/\{([\p{L}\p{N}_]+)\}/gu)].map(([, name]) => name!);
  const unknown = names.find((name) => !known.includes(name));
  const missing = known.find((name) => !names.includes(name));
  const expected = `prompt.template: expected ${known.map((name) => `{${name}}`).join(' and ')}`;
  const hint = isPair ? {} : { hint: '{text2} is the second text of a pair, whose column data.columns.text2 names.' };
  if (unknown !== undefined) throw new Failure('job-file-invalid', `${expected}, found {${unknown}}`, unknown === 'text2' ? hint : {});
  if (missing !== undefined) throw new Failure('job-file-invalid', `${expected}, found no {${missing}}`);
}

/** What the model reads of a conversation: everything before its last assistant message. */
export function toPrompt(row: ChatRow | PreferenceRow): readonly ChatMessage[] {
  if ('prompt' in row) return row.prompt;
  const answer = row.messages.findLastIndex(({ role }) => role === 'assistant');
  return row.messages.slice(0, answer);
}

/** The text that is right: the label, or the last assistant message's; null where that one has no text, as where it only calls tools. */
export function toExpectedAnswer(row: Row): string | null {
  if ('label' in row) return row.label;
  const { content } = ('messages' in row ? row.messages : row.chosen).findLast(({ role }) => role === 'assistant')!;
  const parts = Array.isArray(content) ? (content as { text?: unknown }[]).map(({ text }) => text) : [content];
  return parts.filter((part) => typeof part === 'string').join('') || null;
}

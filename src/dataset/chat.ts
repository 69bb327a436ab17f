import { Failure } from '../errors.ts';
import { formatLabelList, readLabelList } from './label-list.ts';
import type { ChatMessage, ChatRow, ClassificationRow, MultiLabelRow, PreferenceRow, RegressionRow, Row } from './row.ts';

/** Names the rules by which a classification row becomes a chat; a change of any of them changes it. */
export const chatVersion = 'classification-chat/1';

/** The same for rows with several labels. */
export const labelListVersion = 'multi-label-chat/1';

/** The job's `prompt`: how a row becomes a chat. */
export interface ChatPrompt {
  readonly system?: string | undefined;
  readonly template?: string | undefined;
}

const defaultSystem = 'Classify the text.';

/**
 * The messages that ask a chat model for the label of a row: a system message, which ends with the labels, and the text.
 * @param prompt has a template that `checkTemplate` accepts.
 */
export function buildPromptMessages(
  row: Omit<ClassificationRow, 'label'>,
  prompt: ChatPrompt | null | undefined,
  labels: readonly string[],
): ChatMessage[] {
  return buildMessages(row, prompt, `Answer with exactly one of these labels: ${formatLabels(labels)}.`);
}

/** The same for all labels of a row. The answer is a JSON list, so that no label can be taken for two. */
export function buildLabelListMessages(
  row: Omit<ClassificationRow, 'label'>,
  prompt: ChatPrompt | null | undefined,
  labels: readonly string[],
): ChatMessage[] {
  const answer = `Answer with a JSON list of all of these labels that apply, in this order: ${formatLabels(labels)}.`;
  return buildMessages(row, prompt, `${answer} Answer with [] where none applies.`);
}

/** What a model is asked, and how it is to answer. */
export interface Question {
  readonly task: string;
  readonly prompt: ChatPrompt | null | undefined;
  readonly labels: readonly string[];
}

/** The messages that ask for what the task wants of a text. */
export function buildQuestion(row: Omit<ClassificationRow, 'label'>, { task, prompt, labels }: Question): ChatMessage[] {
  return task === 'multi-label' ? buildLabelListMessages(row, prompt, labels) : buildPromptMessages(row, prompt, labels);
}

/** The label, or the labels as `formatLabelList` writes them, in a model's answer; null where there is none. */
export function parseAnswer(answer: string | null, { task, labels }: Omit<Question, 'prompt'>): string | null {
  return task === 'multi-label' ? parseLabelList(answer, labels) : parseLabel(answer, labels);
}

const formatLabels = (labels: readonly string[]): string => labels.map((label) => JSON.stringify(label)).join(', ');

function buildMessages(
  { text, text2 }: Omit<ClassificationRow, 'label'>,
  prompt: ChatPrompt | null | undefined,
  answer: string,
): ChatMessage[] {
  const system = prompt?.system ?? defaultSystem;
  const template = prompt?.template ?? (text2 === undefined ? '{text}' : '{text}\n\n{text2}');
  return [
    { role: 'system', content: system === '' ? answer : `${system}\n\n${answer}` },
    // A function, so that neither `$&` nor `{text2}` in the text means anything.
    { role: 'user', content: template.replaceAll(/\{text(2?)\}/g, (_, second: string) => (second === '' ? text : (text2 ?? ''))) },
  ];
}

/**
 * The text, or the two texts, that `buildQuestion` has put into a user's message: programs that asked a chat model go on to send that.
 * A message of another form is a text as it is.
 */
export function readQuestion(
  content: string,
  { prompt, isPair }: { readonly prompt: ChatPrompt | null | undefined; readonly isPair: boolean },
): { readonly text: string; readonly text2?: string } {
  const parts = (prompt?.template ?? (isPair ? '{text}\n\n{text2}' : '{text}')).split(/(\{text2?\})/);
  const seen = new Set<string>();
  const pattern = parts.map((part) => {
    const name = /^\{(text2?)\}$/.exec(part)?.[1];
    if (name === undefined) return part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    if (seen.has(name)) return `\\k<${name}>`;
    seen.add(name);
    return `(?<${name}>.*?)`;
  });
  const { text, text2 } = new RegExp(`^${pattern.join('')}$`, 's').exec(content)?.groups ?? {};
  if (text === undefined) return { text: content };
  return text2 === undefined ? { text } : { text, text2 };
}

/** The same with the answer that the model learns. */
export function buildTrainingMessages(
  row: ClassificationRow | MultiLabelRow | RegressionRow,
  prompt: ChatPrompt | null | undefined,
  labels: readonly string[],
): ChatMessage[] {
  const asked = 'labels' in row ? buildLabelListMessages(row, prompt, labels) : buildPromptMessages(row, prompt, labels);
  return [...asked, { role: 'assistant', content: getExpectedAnswer(row) }];
}

/**
 * Checks that a template names the row's text, and its second text where rows are pairs and only there. Braces around anything but a name
 * are text.
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

/** The input of a conversation: everything before its last assistant message. */
export function getPrompt(row: ChatRow | PreferenceRow): readonly ChatMessage[] {
  if ('prompt' in row) return row.prompt;
  const answer = row.messages.findLastIndex(({ role }) => role === 'assistant');
  return row.messages.slice(0, answer);
}

/** The right answer: the label, the labels as a JSON list, or the text of the last assistant message; null where that has no text, as where it only calls tools. */
export function getExpectedAnswer(row: Row): string | null {
  if ('label' in row) return row.label;
  if ('labels' in row) return formatLabelList(row.labels);
  if ('value' in row) return String(row.value);
  const { content } = ('messages' in row ? row.messages : row.chosen).findLast(({ role }) => role === 'assistant')!;
  const parts = Array.isArray(content) ? (content as { text?: unknown }[]).map(({ text }) => text) : [content];
  return parts.filter((part) => typeof part === 'string').join('') || null;
}

/**
 * The label in a model's answer, or null. White space, a final full stop and quotes around it are removed one after the other until a
 * label is found; then capitals are ignored, where that leaves one label.
 */
export function parseLabel(answer: string | null, labels: readonly string[]): string | null {
  if (answer === null) return null;
  const readings = listReadings(answer);
  const exact = readings.find((reading) => labels.includes(reading));
  if (exact !== undefined) return exact;
  for (const reading of readings) {
    const alike = labels.filter((label) => normalize(label) === normalize(reading));
    if (alike.length > 0) return alike.length === 1 ? alike[0]! : null;
  }
  return null;
}

/**
 * The labels in a model's answer, as `formatLabelList` writes them: a JSON list, also in a block of code, or labels with commas or lines between
 * them, each read as `parseLabel` does. Null where one of them is no label.
 */
export function parseLabelList(answer: string | null, labels: readonly string[]): string | null {
  if (answer === null) return null;
  const alone = parseLabel(answer, labels); // which may have a comma
  if (alone !== null) return formatLabelList([alone]);
  const text = answer.trim().replace(/^```(?:json)?\s*|\s*```$/g, '');
  const parts = readLabelList(text) ?? (/^\[.*\]$/s.test(text) || text === '' ? null : text.split(/[,\n]/));
  const found = parts?.map((part) => parseLabel(part.replace(/^\s*[-*•]\s+/, ''), labels)) ?? [null];
  return found.includes(null) ? null : formatLabelList(found as string[]);
}

/** The answer as it is, and with one more layer removed each time. */
function listReadings(answer: string): string[] {
  const readings = [answer, answer.trim()];
  for (const strip of [removeFullStop, removeQuotes, removeFullStop]) readings.push(strip(readings.at(-1)!).trim());
  return readings;
}

function removeFullStop(text: string): string {
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

const quotes: readonly string[] = ['""', "''", '``', '“”', '‘’', '«»'];

/** In double quotes the answer may be a JSON string, as the prompt writes the labels. */
function removeQuotes(text: string): string {
  if (text.length < 2 || !quotes.includes(text[0]! + text.at(-1)!)) return text;
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text) as string;
    } catch {
      // not JSON: plain text in quotes
    }
  }
  return text.slice(1, -1);
}

function normalize(text: string): string {
  return text.trim().normalize('NFC').toLowerCase();
}

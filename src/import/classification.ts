import { buildPromptMessages, type ChatPrompt } from '../dataset/chat.ts';
import { readRows } from '../dataset/read-rows.ts';
import { Failure, isFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import type { ImportedJob } from './imported-job.ts';
import type { Fields, ImportNote } from './source.ts';

/** Chats that ask for labels, as a classification: many jobs at OpenAI are one, and a small model can learn it. */

/** The job file of the classification, beside that of the chat. */
export const classificationJob = 'job.classification.jsonc';

/** The rows of the classification, beside those of the chat. */
export const classificationRows = { train: 'train.classification.jsonl', validation: 'validation.classification.jsonl' } as const;

export interface RowsSummary {
  readonly task: 'chat' | 'preference';
  /** Null unless each row has one question under one system message, and the answers are few and short, as labels are. */
  readonly classes: Classes | null;
}

export interface Classes {
  /** All different answers, sorted. */
  readonly labels: readonly string[];
  /** The system message of every row; null: there is none. */
  readonly system: string | null;
}

interface LabelledChat {
  readonly system: string | null;
  readonly text: string;
  /** Without white space around it. */
  readonly label: string;
}

const longestLabel = 60;
const mostLabels = 50;

/** The one question and the one short answer of a conversation; null for any other conversation. */
function parseLabelledChat(row: Fields): LabelledChat | null {
  const { messages } = row;
  if (!Array.isArray(messages) || !messages.every(isObject) || Object.hasOwn(row, 'tools')) return null;
  const hasSystem = ['system', 'developer'].includes(String(messages[0]?.['role']));
  const [question, answer, ...more] = hasSystem ? messages.slice(1) : messages;
  if (question?.['role'] !== 'user' || answer?.['role'] !== 'assistant' || more.length > 0) return null;
  const system = hasSystem ? messages[0]!['content'] : null;
  const [text, given] = [question['content'], answer['content']];
  if ((system !== null && typeof system !== 'string') || typeof text !== 'string' || typeof given !== 'string') return null;
  const label = given.trim();
  const isLabel = label !== '' && label.length <= longestLabel && !label.includes('\n') && answer['weight'] !== 0;
  return isLabel && /\S/.test(text) ? { system, text, label } : null;
}

/** What the rows of a file in OpenAI's form are; null where they are neither chats nor preferences. The plan reports broken rows. */
export async function summarizeRows(path: string): Promise<RowsSummary | null> {
  const chat: RowsSummary = { task: 'chat', classes: null };
  const labels = new Set<string>();
  const systems = new Set<string | null>();
  let rows = 0;
  try {
    for await (const { row } of readRows(path)) {
      if (Object.hasOwn(row, 'preferred_output')) return { task: 'preference', classes: null };
      if (!Array.isArray(row['messages'])) return null;
      const labelled = parseLabelledChat(row);
      if (labelled === null || labels.add(labelled.label).size > mostLabels || systems.add(labelled.system).size > 1) return chat;
      rows++;
    }
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return null;
    throw error;
  }
  if (rows === 0) return null;
  if (labels.size < 2 || labels.size > rows / 2) return chat;
  return { task: 'chat', classes: { labels: [...labels].sort(), system: [...systems][0] ?? null } };
}

/**
 * The rows of a file of chats as rows of a classification, in their order, as JSON Lines.
 * @throws Failure `data-invalid` for another kind of row, another system message, or a label that is not among these
 */
export async function* readClassificationRows(path: string, { labels, system }: Classes): AsyncGenerator<Buffer> {
  for await (const { line, row } of readRows(path)) {
    const chat = parseLabelledChat(row);
    if (chat === null || chat.system !== system || !labels.includes(chat.label)) {
      throw new Failure('data-invalid', `${path}:${line}: expected a question as in the training rows, and one of their answers`);
    }
    yield Buffer.from(`${JSON.stringify({ text: chat.text, label: chat.label })}\n`);
  }
}

/**
 * A chat job that asks for labels as a job that trains a classifier on this machine. It drops the training settings: they were chosen for
 * a model a thousand times as large.
 */
export function buildClassification(chat: ImportedJob, { labels, system }: Classes, hasValidation: boolean): ImportedJob {
  const ending = '-classifier';
  const prompt = findPrompt(system, labels);
  const convert = (path: string, field: string, text: string): ImportNote => ({ kind: 'converted', path, field, value: null, text });
  const dropped = 'chosen for a far larger model: left to the target';
  return {
    source: `${chat.source}, as a classification`,
    name: `${chat.name.slice(0, 32 - ending.length).replace(/-$/, '')}${ending}`,
    task: 'classification',
    data: { train: `./${classificationRows.train}`, ...(hasValidation ? { validation: `./${classificationRows.validation}` } : {}) },
    prompt,
    training: {},
    // A token is a byte at least, so that each label has room.
    evaluation: { generation: { temperature: 0, maxTokens: Math.max(16, ...labels.map((label) => Buffer.byteLength(label))) } },
    target: { name: 'local', provider: 'local', model: './model' },
    notes: [
      { kind: 'unmatched', path: 'training', field: null, value: chat.training, text: dropped },
      convert('(answers)', 'task', 'each row has one question, and its answer is one of a few labels'),
      convert('(test)', 'data', 'for a proof add "test": rows that no training has seen, with "text" and "label"'),
      convert('train.jsonl', 'data.train', 'questions are "text", answers "label"'),
      ...(hasValidation ? [convert('validation.jsonl', 'data.validation', 'the same')] : []),
      ...(prompt === undefined ? [] : [convert('(system)', 'prompt.system', 'of every row; a classifier reads the text only')]),
      convert('(labels)', 'evaluation.generation', 'room for each label'),
      convert('(model)', 'targets.model', 'put the folder of a small encoder here, or name one; it learns the task from the start'),
    ],
  };
}

/** The prompt without the sentence that names the labels, which every chat gets; undefined where it is the usual prompt. */
function findPrompt(system: string | null, labels: readonly string[]): ImportedJob['prompt'] {
  const formatSystem = (prompt: ChatPrompt | null): string => String(buildPromptMessages({ text: '' }, prompt, labels)[0]!.content);
  if (system === null || system === formatSystem(null)) return undefined;
  const sentence = formatSystem({ system: '' });
  if (system === sentence) return { system: '' };
  return { system: system.endsWith(`\n\n${sentence}`) ? system.slice(0, -sentence.length - 2) : system };
}

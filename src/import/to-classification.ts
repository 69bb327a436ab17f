import { openDataset } from '../dataset/open-dataset.ts';
import { readJsonRows } from '../dataset/read-json-rows.ts';
import { toPromptMessages, type ChatPrompt } from '../dataset/to-chat.ts';
import { Failure } from '../errors.ts';
import type { ImportedJob, ImportNote } from './imported-job.ts';
import { parseLabelledChat } from './labelled-chat.ts';
import type { Classes } from './look-at-rows.ts';

/** The job file of the classification, beside that of the chat. */
export const classificationJob = 'job.classification.jsonc';

/** The rows of the classification, beside those of the chat. */
export const classificationRows = { train: 'train.classification.jsonl', validation: 'validation.classification.jsonl' } as const;

/**
 * A chat job that asks for labels as a job that trains a classifier on this machine. Of the settings nothing is kept: they were chosen
 * for a model a thousand times as large.
 */
export function toClassification(chat: ImportedJob, { labels, system }: Classes, hasValidation: boolean): ImportedJob {
  const ending = '-classifier';
  const prompt = toPrompt(system, labels);
  const training: ImportNote = {
    kind: 'unmatched',
    path: 'training',
    field: null,
    value: chat.training,
    text: 'it fitted a far larger model: left to the target',
  };
  const notes = [
    toNote('(answers)', 'task', 'each row has one question, and its answer is one of a few labels'),
    toNote('(test)', 'data', 'to prove anything, add "test": rows that no training has seen, with "text" and "label"'),
    toNote('train.jsonl', 'data.train', 'questions are "text", answers "label"'),
    ...(hasValidation ? [toNote('validation.jsonl', 'data.validation', 'the same')] : []),
    ...(prompt === undefined ? [] : [toNote('(system)', 'prompt.system', 'of every row; a classifier reads the text only')]),
    toNote('(labels)', 'evaluation.generation', 'room for each label'),
    toNote('(model)', 'targets.model', 'put the folder of a small encoder here, or name one; it learns the task anew'),
  ];
  return {
    source: `${chat.source}, as a classification`,
    name: `${chat.name.slice(0, 32 - ending.length).replace(/-$/, '')}${ending}`,
    task: 'classification',
    data: { train: `./${classificationRows.train}`, ...(hasValidation ? { validation: `./${classificationRows.validation}` } : {}) },
    ...(prompt === undefined ? {} : { prompt }),
    training: {},
    evaluation: { generation: { temperature: 0, maxTokens: toMaxTokens(labels) } },
    target: { name: 'local', provider: 'local', model: './model' },
    notes: [training, ...notes],
  };
}

/** A token is a byte at least. */
function toMaxTokens(labels: readonly string[]): number {
  return Math.max(16, ...labels.map((label) => Buffer.byteLength(label)));
}

function toNote(path: string, field: string, text: string): ImportNote {
  return { kind: 'converted', path, field, value: null, text };
}

/** Without the sentence that names the labels, and none where all is as usual: both are added wherever the rows become a chat. */
function toPrompt(system: string | null, labels: readonly string[]): ImportedJob['prompt'] {
  const toSystem = (prompt: ChatPrompt | null): string => String(toPromptMessages({ text: '' }, prompt, labels)[0]!.content);
  if (system === null || system === toSystem(null)) return undefined;
  const sentence = toSystem({ system: '' });
  const made = system.endsWith(`\n\n${sentence}`) ? system.slice(0, -sentence.length - 2) : system === sentence ? '' : system;
  return { system: made };
}

/**
 * The rows of a file of chats as rows of a classification, in their order, as JSON Lines.
 * @throws Failure `data-invalid` for a row that is none, has another system message, or a label that is not among these
 */
export async function* readClassificationRows(path: string, { labels, system }: Classes): AsyncGenerator<Buffer> {
  const refuse = (failure: Failure): never => {
    throw failure;
  };
  for await (const { line, row } of readJsonRows(openDataset(path), path, refuse)) {
    const chat = parseLabelledChat(row);
    if (chat === null || chat.system !== system || !labels.includes(chat.label)) {
      throw new Failure('data-invalid', `${path}:${line}: expected a question as in the training rows, and one of their answers`);
    }
    yield Buffer.from(`${JSON.stringify({ text: chat.text, label: chat.label })}\n`);
  }
}

import { stringify } from 'yaml';
import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ChatMessage, Row, ToolFields } from '../../src/dataset/row.ts';
import type { TrainingFile } from '../../src/provider-kit/training-file.ts';
import type { RowsPlan } from './request.ts';

/** A row as the engine reads it. Every line of a file has the same fields: the libraries read the columns from the first lines. */
export function toLine(row: Row, { format, prompt, labels, isPair }: RowsPlan): object {
  if ('chosen' in row) {
    if (format !== 'conversations') return { prompt: row.prompt, chosen: row.chosen, rejected: row.rejected, ...toTools(row) };
    return { prompt: formatPrompt(row.prompt), chosen: [...row.prompt, ...row.chosen], rejected: [...row.prompt, ...row.rejected] };
  }
  if ('label' in row && format === 'labels') {
    return { text: row.text, ...(isPair ? { text2: row.text2 ?? '' } : {}), label: row.label };
  }
  const messages = 'text' in row ? buildTrainingMessages(row, prompt, labels) : row.messages;
  const tools = 'text' in row ? {} : toTools(row);
  if (format === 'messages') return { messages, ...tools };
  const answer = messages.findLastIndex(({ role }) => role === 'assistant');
  return { prompt: messages.slice(0, answer), completion: messages.slice(answer, answer + 1), ...tools };
}

/** As text: functions differ from row to row, and a column of objects has one type. */
function toTools({ tools }: ToolFields): object {
  return tools === undefined ? {} : { tools: JSON.stringify(tools) };
}

/** AutoTrain wants the column, and takes the prompt from the conversations. */
function formatPrompt(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => (typeof content === 'string' ? content : '')).join('\n');
}

/**
 * The README of a data repository. Its front matter names the files of each split, and the labels as a `ClassLabel`, without which AutoTrain
 * and other readers would not know a column of labels from one of texts.
 */
export function formatDatasetCard(
  { format, labels, isPair }: RowsPlan,
  parts: Readonly<Record<'train' | 'validation', TrainingFile | null>>,
): string {
  const splits = Object.entries(parts).flatMap(([split, file]) => (file === null ? [] : [{ split, file }]));
  const text = (name: string): object => ({ name, dtype: 'string' });
  const features = [
    text('text'),
    ...(isPair ? [text('text2')] : []),
    { name: 'label', dtype: { class_label: { names: Object.fromEntries(labels.map((label, i) => [String(i), label])) } } },
  ];
  const sizes = splits.map(({ split, file }) => ({ name: split, num_bytes: file.bytes, num_examples: file.rows }));
  const front = {
    configs: [{ config_name: 'default', data_files: splits.map(({ split }) => ({ split, path: `${split}.jsonl` })) }],
    ...(format === 'labels' ? { dataset_info: { features, splits: sizes } } : {}),
    tags: ['orchestrate'],
  };
  const rows = splits.map(({ split, file }) => `- ${split}: ${file.rows} rows, SHA-256 ${file.sha256}`).join('\n');
  return `---\n${stringify(front)}---\n\n# Rows of a training\n\n${rows}\n`;
}

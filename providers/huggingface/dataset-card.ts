import { stringify } from 'yaml';
import type { RowsPlan } from './request.ts';
import type { WrittenFile } from './write-rows.ts';

/**
 * The README of a data repository. Its front matter names the files of each split, and the labels as a `ClassLabel`, without which AutoTrain
 * and other readers would not know a column of labels from one of texts.
 */
export function toDatasetCard(
  { format, labels, isPair }: RowsPlan,
  parts: Readonly<Record<'train' | 'validation', WrittenFile | null>>,
): string {
  const splits = Object.entries(parts).flatMap(([split, file]) => (file === null ? [] : [{ split, file }]));
  const text = (name: string): object => ({ name, dtype: 'string' });
  const features = [
    text('text'),
    ...(isPair ? [text('text2')] : []),
    { name: 'label', dtype: { class_label: { names: Object.fromEntries(labels.map((label, i) => [String(i), label])) } } },
  ];
  const front = {
    configs: [{ config_name: 'default', data_files: splits.map(({ split }) => ({ split, path: `${split}.jsonl` })) }],
    ...(format === 'labels'
      ? {
          dataset_info: {
            features,
            splits: splits.map(({ split, file }) => ({ name: split, num_bytes: file.bytes, num_examples: file.rows })),
          },
        }
      : {}),
    tags: ['orchestrate'],
  };
  const rows = splits.map(({ split, file }) => `- ${split}: ${file.rows} rows, SHA-256 ${file.sha256}`).join('\n');
  return `---\n${stringify(front)}---\n\n# Rows of a training\n\n${rows}\n`;
}

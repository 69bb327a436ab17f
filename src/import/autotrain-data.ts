import type { JobSpec } from '../job/job-spec.ts';
import type { AutotrainTask, ToPath } from './autotrain-parameters.ts';
import { notePart, readPart, type DataPart } from './hub-names.ts';
import { assume, carry, convert } from './notes.ts';
import { readText, toRefusal, toValue, type Source } from './source.ts';

type Columns = NonNullable<JobSpec['data']['columns']>;

/** Our columns with AutoTrain's names for them and what it takes where they are absent; null where it needs them. */
const columns: Readonly<Record<JobSpec['task'], readonly (readonly [keyof Columns, string, string | null])[]>> = {
  classification: [
    ['text', 'text_column', 'text'],
    ['label', 'target_column', 'target'],
  ],
  chat: [['messages', 'text_column', 'text']],
  text: [['text', 'text_column', 'text']],
  preference: [
    ['prompt', 'prompt_text_column', null],
    ['chosen', 'text_column', null],
    ['rejected', 'rejected_text_column', null],
  ],
};

/**
 * The columns as the source reads them. Those that it leaves to AutoTrain are written too: another column would be other data.
 * @throws Failure `data-invalid` for a preference column that is absent
 */
function readColumns(source: Source, to: ToPath, task: JobSpec['task']): Columns {
  const entries = columns[task].map(([ours, theirs, fallback]) => {
    const path = to(theirs);
    const column = readText(source, path) ?? fallback;
    if (column === null) throw toRefusal(source, path, 'the name of a column', 'The task llm-dpo needs all three columns.');
    carry(source, path, `data.columns.${ours}`);
    const text = 'the column that AutoTrain reads: it is written';
    if (toValue(source, path) === undefined) assume(source, path, { field: `data.columns.${ours}`, value: column, text });
    return [ours, column] as const;
  });
  return Object.fromEntries(entries);
}

/** A split, which may name its configuration before a colon. */
function toPart(to: ToPath, { kind, name, split }: { kind: AutotrainTask; name: 'train_split' | 'valid_split'; split: string }): DataPart {
  const colon = split.indexOf(':');
  return {
    path: to('data_path'),
    config: colon > 0 ? split.slice(0, colon) : undefined,
    split: colon > 0 ? split.slice(colon + 1) : split,
    splitPath: to(name),
    endings: ['.csv', '.jsonl'],
    usual: kind === 'classification' ? '.csv' : '.jsonl',
  };
}

/** @throws Failure `data-invalid` for absent data, columns, and splits that a job cannot name */
export function readAutotrainData(
  source: Source,
  to: ToPath,
  { kind, task }: { kind: AutotrainTask; task: JobSpec['task'] },
): JobSpec['data'] {
  const trainSplit = readText(source, to('train_split'));
  const train = toPart(to, { kind, name: 'train_split', split: trainSplit ?? 'train' });
  const found = readPart(source, train);
  notePart(source, train, { field: 'data.train', found });
  if (trainSplit === undefined)
    assume(source, to('train_split'), { field: 'data.train', value: 'train', text: 'the split that is read: it is written' });
  const validSplit = readText(source, to('valid_split'));
  const read = readColumns(source, to, task);
  if (validSplit === undefined) {
    if (kind === 'classification') assumeValidation(source, to, found.isLocal);
    return { train: found.at, columns: read };
  }
  const valid = readPart(source, toPart(to, { kind, name: 'valid_split', split: validSplit }));
  const ignored = kind === 'classification' ? '' : '; AutoTrain itself does not use it for language models';
  convert(source, to('valid_split'), { field: 'data.validation', text: `${valid.text}${ignored}` });
  if (kind === 'classification') {
    const text = 'AutoTrain keeps the weights of the best validation loss: add "select": "best" for the same';
    assume(source, ['(select)'], { field: 'training.select', value: 'best', text });
  }
  return { train: found.at, validation: valid.at, columns: read };
}

function assumeValidation(source: Source, to: ToPath, isLocal: boolean): void {
  if (!isLocal) return;
  const text = 'AutoTrain takes a fifth of the rows of a file for validation: {"fraction": 0.2} trains on as few';
  assume(source, to('valid_split'), { field: 'data.validation', value: 0.2, text });
}

/** `init FILE`: a job file for a table, with comments that say what was guessed. */
import { isAlike } from '../dataset/columns.ts';
import { createDataFailure } from '../dataset/findings.ts';
import type { Columns, RowTask, TableQuote } from '../dataset/row.ts';
import { describeColumns, formatFlag, sampleTable, type TableSample } from './guess-columns.ts';
import { checkHeader, findKind, readExamples, refuseUnknownRows, type RowFiles } from './read-examples.ts';

/** What a job file is made of. */
export interface JobDraft {
  readonly task: RowTask;
  /** How many rows were looked at. */
  readonly sampledRows: number;
  /** Our names and theirs; empty where rows need none. */
  readonly columns: Columns;
  /** Where each column comes from, by our names. */
  readonly reasons: Readonly<Record<string, string>>;
  /** Other columns that might hold the labels. */
  readonly otherLabels: readonly string[];
  /** Some of the labels, sorted; empty where there are none. */
  readonly labels: readonly string[];
}

/**
 * Looks at the first rows of a file, and guesses what can be learned of them.
 * @param columns those that the user has named
 * @throws Failure `data-invalid` where no column looks like texts, or none like labels
 */
export async function draftJob({
  path,
  columns,
  task,
  quote,
}: {
  readonly path: string;
  readonly columns: Columns;
  readonly task?: RowTask;
  readonly quote?: TableQuote | undefined;
}): Promise<JobDraft> {
  const kind = await findKind({ paths: [path], columns, quote, ...(task !== undefined && { task }) });
  if (kind === null || kind === 'text') await checkHeader(path, quote);
  const sample = await sampleTable(path, quote);
  const { guess, rows: sampledRows } = sample;
  const draft = { sampledRows, columns, reasons: {}, otherLabels: [], labels: [] };
  if (kind === 'chat' || kind === 'preference') return { ...draft, task: kind };
  if (sampledRows === 0) throw createDataFailure('rows-missing', `${path}: expected rows, found none`);
  if (kind === 'multi-label') {
    const several = await draftLabels({ paths: [path], columns, quote }, { sample, isNamed: task !== undefined });
    return { ...draft, ...several };
  }
  const find = (name: string): string => sample.names.find((other) => isAlike(other, name)) ?? name;
  const own = Object.fromEntries(Object.entries(columns).map(([ours, theirs]) => [ours, find(theirs)]));
  const usual = { text: find('text'), label: find('label') };
  // Columns of the usual names with nearly as many labels as rows are swapped, or others.
  const isUsual = kind !== null && kind !== 'text' && (guess === null || !hasManyLabels(sample, own['label'] ?? usual.label));
  if (!isUsual && guess === null) return await refuseColumns({ paths: [path], columns, quote }, sample);
  const found: Columns = { ...(isUsual ? usual : guess!.columns), ...own };
  const getReason = (ours: string): string => {
    if (Object.hasOwn(own, ours)) return 'named by --columns';
    return isUsual ? 'its name' : (guess!.reasons[ours] ?? '');
  };
  const label = found['label']!;
  const isScore = task === 'regression' || (task === undefined && guess?.task === 'regression' && guess.columns.label === label);
  return {
    task: isScore ? 'regression' : 'classification',
    sampledRows,
    columns: found,
    reasons: Object.fromEntries(Object.keys(found).map((ours) => [ours, getReason(ours)])),
    otherLabels: isUsual ? [] : guess!.otherLabels.filter((name) => name !== label && name !== found['text']),
    labels: isScore ? [] : sample.getValues(label),
  };
}

type LabelDraft = Pick<JobDraft, 'task' | 'columns' | 'reasons' | 'labels'>;

/** Rows whose column `labels` holds a list, or several labels with a sign between them; where each has one, it is an ordinary label. */
async function draftLabels(
  { columns: named, ...files }: RowFiles,
  { sample, isNamed }: { readonly sample: TableSample; readonly isNamed: boolean },
): Promise<LabelDraft> {
  const find = (name: string): string => sample.names.find((other) => isAlike(other, name)) ?? name;
  const wanted = Object.entries({ text: 'text', labels: 'labels', ...named });
  const columns: Columns = Object.fromEntries(wanted.map(([ours, theirs]) => [ours, find(theirs)]));
  const reasons = Object.fromEntries(wanted.map(([ours]) => [ours, Object.hasOwn(named, ours) ? 'named by --columns' : 'its name']));
  const values = sample.getValues(columns['labels']!); // lists are not among them
  if (!isNamed && values.length > 0 && !values.some((value) => /[|;,]|^\s*\[/.test(value))) {
    const { labels, ...texts } = columns;
    const { labels: reason, ...reasonsOfTexts } = reasons;
    return {
      task: 'classification',
      columns: { ...texts, label: labels! },
      reasons: { ...reasonsOfTexts, label: `${reason!}; each row has one` },
      labels: values,
    };
  }
  const labels = new Set<string>();
  let rows = 0;
  for await (const examples of readExamples({ ...files, columns }, 'multi-label', { onBadRow: () => {}, onNote: () => {} })) {
    for (const { row } of examples) if ('labels' in row) for (const label of row.labels) labels.add(label);
    if ((rows += examples.length) >= sample.rows) break;
  }
  return { task: 'multi-label', columns, reasons, labels: [...labels].sort() };
}

function hasManyLabels({ rows, getValues }: TableSample, label: string): boolean {
  const { length } = getValues(label);
  return length > 10 && length * 2 > rows;
}

async function refuseColumns(files: RowFiles, { answers }: TableSample): Promise<never> {
  const hint = await describeColumns(files.paths[0]!, files.quote);
  if (answers === null) return await refuseUnknownRows(files, hint);
  const flag = formatFlag({ text: answers.question, label: answers.answer });
  return await refuseUnknownRows(
    files,
    `Make chats of the questions and answers first: data convert FILE --to chat ${flag} --out train.jsonl`,
  );
}

export interface JobFiles {
  /** As messages name it. */
  readonly source: string;
  readonly name: string;
  /** Paths as the job file has them. */
  readonly train: string;
  /** Null: a share of the training rows. */
  readonly test: string | null;
  readonly validation: string | null;
  /** How quotes of its tables are read; absent: as each file has them. */
  readonly quote?: TableQuote | undefined;
  /** The model of the first target; null: one that fits the task. */
  readonly model: string | null;
}

const localModel = 'hub:sentence-transformers/all-MiniLM-L6-v2';
const openaiModel = 'gpt-4.1-mini-2025-04-14';
const hubModel = 'hub:Qwen/Qwen2.5-0.5B-Instruct';

/** The job file, JSON with comments. Names and labels of the data stand in it as JSON that shows all it contains. */
export function formatNewJob({ task, sampledRows, columns, reasons, otherLabels, labels }: JobDraft, files: JobFiles): string {
  const shown = labels.slice(0, 8).map(quote);
  const what = labels.length === 0 ? '' : ` // ${labels.length} labels: ${shown.join(', ')}${labels.length > shown.length ? ', …' : ''}`;
  const entries = Object.entries(columns);
  const columnLines = entries.map(([ours, theirs], i) => {
    const others = ours === 'label' && otherLabels.length > 0 ? `; it could also be ${otherLabels.map(quote).join(', ')}` : '';
    return `      ${quote(ours)}: ${quote(theirs)}${i < entries.length - 1 ? ',' : ''} // ${reasons[ours] ?? ''}${others}`;
  });
  const ofEachLabel = task === 'classification' ? ' of each label' : task === 'multi-label' ? ' of each combination of labels' : '';
  return `${[
    `// Made by \`orchestrate init\` from the first ${sampledRows} rows of ${quote(files.source)}. The comments say what was guessed: please check it.`,
    '{',
    '  "version": 1,',
    `  "name": ${quote(files.name)},`,
    `  "task": ${quote(task)},${what}`,
    '  "data": {',
    `    "train": ${quote(files.train)},`,
    ...(files.test === null
      ? [
          `    // A fifth of the rows${ofEachLabel} is held out: no model trains on them, and all models are compared on them.`,
          '    "test": { "fraction": 0.2 },',
        ]
      : ['    // No model trains on these rows, and all models are compared on them.', `    "test": ${quote(files.test)},`]),
    ...(files.validation === null
      ? [
          '    // Rows that measure the training while it runs, also for "select": "best" and "earlyStopping".',
          `    // "validation": { "fraction": 0.1 }${entries.length > 0 ? ',' : ''}`,
        ]
      : [`    "validation": ${quote(files.validation)}${entries.length > 0 ? ',' : ''}`]),
    ...(entries.length === 0 ? [] : ['    "columns": {', ...columnLines, `    }${files.quote === undefined ? '' : ','}`]),
    ...(files.quote === undefined ? [] : [`    "quote": ${quote(files.quote)} // named by --quote`]),
    '  },',
    `  "training": { ${task === 'preference' ? '"method": "dpo", ' : ''}"epochs": ${task === 'chat' || task === 'preference' ? 2 : 3}, "seed": 42 },`,
    '  "targets": {',
    ...formatTargets(task, files.model),
    '  }',
    '}',
  ].join('\n')}\n`;
}

function formatTargets(task: RowTask, model: string | null): string[] {
  const isLocal = task !== 'chat' && task !== 'preference';
  const choices = [
    ...(isLocal ? [{ name: 'local', model: localModel }] : []),
    ...(task === 'regression'
      ? []
      : [
          { name: 'openai', model: openaiModel },
          { name: 'huggingface', model: hubModel },
        ]),
  ];
  const isPath = model !== null && /^(\.{0,2}\/|hub:)/.test(model);
  const chosen = model === null ? choices[0]! : { name: isPath ? (isLocal ? 'local' : 'huggingface') : 'openai', model };
  const format = (choice: { readonly name: string; readonly model: string }): string =>
    `${quote(choice.name)}: { "provider": ${quote(choice.name)}, "model": ${quote(choice.model)} }`;
  const others = choices.filter(({ name }) => name !== chosen.name);
  return [
    `    ${format(chosen)}`,
    ...(others.length === 0 ? [] : ['    // To train there too, remove the comment marks:']),
    ...others.map((choice) => `    // , ${format(choice)}`),
  ];
}

/** JSON on one line; characters that are invisible or turn the direction of text are escaped. */
function quote(value: string): string {
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu,
    (character) =>
      Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** A name for a job from that of its file: `a-z`, `0-9` and `-`. */
export function toJobName(file: string): string {
  const base = file.replace(/\.gz$/i, '').replace(/\.\w+$/, '');
  const name = base
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 32)
    .replace(/-+$/, '');
  return name === '' ? 'job' : name;
}

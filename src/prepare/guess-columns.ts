/** Which columns of a file hold the texts and the labels, guessed from names and values. */
import { readRowBatches } from '../dataset/read-rows.ts';
import type { RowTask, TableQuote } from '../dataset/row.ts';

/** So many rows are enough for a guess. */
const sampledRows = 5000;
/** More different values than a guess has to tell. */
const mostValues = 1000;

interface ColumnSample {
  readonly name: string;
  /** Rows that have a value. */
  filled: number;
  characters: number;
  words: number;
  numbers: number;
  whole: number;
  /** Different values, up to a limit. */
  readonly values: Set<string>;
}

export interface ColumnGuess {
  readonly task: Extract<RowTask, 'classification' | 'regression'>;
  /** Our names and theirs. */
  readonly columns: { readonly text: string; readonly text2?: string; readonly label: string };
  /** Why, by our names. */
  readonly reasons: Readonly<Record<string, string>>;
  /** Other columns that might hold the labels. */
  readonly otherLabels: readonly string[];
}

export interface TableSample {
  /** In the order of the file. */
  readonly names: readonly string[];
  readonly rows: number;
  /** Different values of a column, sorted; of one with very many, some. */
  getValues(name: string): readonly string[];
  /** Null: no column looks like texts, or none like labels. */
  readonly guess: ColumnGuess | null;
  /** The columns of questions and answers, where the file has a pair that is called so. */
  readonly answers: { readonly question: string; readonly answer: string } | null;
}

/** Looks at the first rows of a file. @throws Failure as `readRowBatches` */
export async function sampleTable(path: string, quote?: TableQuote): Promise<TableSample> {
  const columns = new Map<string, ColumnSample>();
  let rows = 0;
  for await (const batch of readRowBatches(path, { onBadRow: () => {}, quote })) {
    for (const { row } of batch) {
      rows++;
      for (const [name, value] of Object.entries(row)) addValue(columns, name, value);
    }
    if (rows >= sampledRows) break;
  }
  const samples = [...columns.values()];
  const getValues = (name: string): readonly string[] => [...(columns.get(name)?.values ?? [])].sort();
  return { names: [...columns.keys()], rows, getValues, guess: guess(samples, rows), answers: findAnswers(samples) };
}

function addValue(columns: Map<string, ColumnSample>, name: string, value: unknown): void {
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (!isPlain || String(value).trim() === '') return;
  const text = String(value);
  const known = columns.get(name);
  const sample = known ?? { name, filled: 0, characters: 0, words: 0, numbers: 0, whole: 0, values: new Set<string>() };
  if (known === undefined) columns.set(name, sample);
  sample.filled++;
  sample.characters += text.length;
  sample.words += text.trim().split(/\s+/).length;
  const isNumber = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text);
  if (isNumber) sample.numbers++;
  if (isNumber && Number.isInteger(Number(text))) sample.whole++;
  if (sample.values.size < mostValues) sample.values.add(text);
}

/** Names that people give to columns of texts and of labels, the surest first. */
const textNames = ['text', 'sentence', 'body', 'message', 'content', 'review', 'comment', 'description', 'utterance', 'query', 'question'];
const labelNames = [
  'label',
  'labels',
  'class',
  'category',
  'intent',
  'sentiment',
  'target',
  'team',
  'topic',
  'tag',
  'y',
  'output',
  'answer',
];
const scoreNames = ['score', 'similarity', 'rating', 'stars', 'value', 'grade'];
const otherNames = /^(id|uuid|index|unnamed.*|.*_id|.*_at|date|time|timestamp|url|split|lang|language|source|author|user)$/;
const pairs: readonly (readonly [string, string])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['text1', 'text2'],
  ['text', 'text2'],
  ['text_a', 'text_b'],
  ['query', 'passage'],
  ['question', 'sentence'],
];
const answerPairs: readonly (readonly [string, string])[] = [
  ['question', 'answer'],
  ['prompt', 'response'],
  ['instruction', 'response'],
  ['query', 'response'],
  ['input', 'output'],
  ['question', 'response'],
];

function normalize(name: string): string {
  return name
    .replaceAll('\ufeff', '')
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}

function findNamed(samples: readonly ColumnSample[], name: string): ColumnSample | undefined {
  return samples.find((sample) => normalize(sample.name) === name);
}

function findPair(samples: readonly ColumnSample[], names: typeof pairs): readonly [ColumnSample, ColumnSample] | null {
  for (const [first, second] of names) {
    const found = [findNamed(samples, first), findNamed(samples, second)];
    if (found[0] !== undefined && found[1] !== undefined) return [found[0], found[1]];
  }
  return null;
}

function findAnswers(samples: readonly ColumnSample[]): TableSample['answers'] {
  const pair = findPair(samples, answerPairs);
  return pair === null ? null : { question: pair[0].name, answer: pair[1].name };
}

function rankName(names: readonly string[], { name }: ColumnSample): number {
  const at = names.indexOf(normalize(name));
  return at < 0 ? names.length : at;
}

function guess(samples: readonly ColumnSample[], rows: number): ColumnGuess | null {
  const pair = findPair(samples, pairs);
  const texts = pair ?? [findText(samples, rows)];
  const text = texts[0];
  if (text === null || text === undefined) return null;
  const others = samples.filter((sample) => !texts.includes(sample));
  const candidates = others.filter((sample) => isLabelLike(sample, rows)).sort((a, b) => compareLabels(a, b));
  const label = candidates[0];
  if (label === undefined) return null;
  const isScore = label.numbers === label.filled && (label.whole < label.numbers || label.values.size > 20);
  const isNamed = rankName(labelNames, label) < labelNames.length || rankName(scoreNames, label) < scoreNames.length;
  const kinds = `${label.values.size}${label.values.size === mostValues ? ' or more' : ''} different values in ${label.filled} rows`;
  const second = pair?.[1];
  return {
    task: isScore ? 'regression' : 'classification',
    columns: { text: text.name, ...(second === undefined ? {} : { text2: second.name }), label: label.name },
    reasons: {
      text:
        second === undefined
          ? `${Math.round(text.characters / text.filled)} characters a row, the longest`
          : 'the first text of a pair, by its name',
      ...(second === undefined ? {} : { text2: 'the second text of a pair, by its name' }),
      label: isScore ? `numbers: ${kinds}` : isNamed ? `its name, and ${kinds}` : kinds,
    },
    otherLabels: candidates.slice(1, 6).map(({ name }) => name),
  };
}

/** The longest values that are not all the same; a name that people give to texts counts for much. */
function findText(samples: readonly ColumnSample[], rows: number): ColumnSample | null {
  const weigh = (sample: ColumnSample): number => {
    const length = sample.characters / sample.filled;
    const isNamed = rankName(textNames, sample) < textNames.length;
    return length * (Math.min(sample.values.size, sample.filled) / Math.min(sample.filled, mostValues)) * (isNamed ? 10 : 1);
  };
  const candidates = samples.filter((sample) => sample.filled * 2 > rows && sample.numbers * 2 < sample.filled && !isOther(sample));
  const best = candidates.reduce<ColumnSample | null>(
    (first, sample) => (first === null || weigh(sample) > weigh(first) ? sample : first),
    null,
  );
  return best;
}

function isOther({ name }: ColumnSample): boolean {
  return otherNames.test(normalize(name));
}

function isLabelLike(sample: ColumnSample, rows: number): boolean {
  if (sample.filled * 10 < rows * 9 || sample.values.size < 2 || isOther(sample)) return false;
  const isNumeric = sample.numbers === sample.filled;
  if (isNumeric && sample.whole < sample.numbers) return true; // a score
  const isNamed = rankName(labelNames, sample) < labelNames.length || rankName(scoreNames, sample) < scoreNames.length;
  if (sample.words / sample.filled > 6) return false;
  return sample.values.size * (isNamed ? 1.1 : 2) <= Math.max(4, sample.filled) && sample.values.size < mostValues;
}

function compareLabels(a: ColumnSample, b: ColumnSample): number {
  const rank = (sample: ColumnSample): number => Math.min(rankName(labelNames, sample), 50 + rankName(scoreNames, sample));
  const [first, second] = [rank(a), rank(b)];
  return first === second ? a.values.size - b.values.size : first - second;
}

/** What to do where a file has no columns of the usual names. */
export async function describeColumns(path: string, quote?: TableQuote): Promise<string> {
  const { guess: found, answers } = await sampleTable(path, quote);
  if (answers !== null) return `If they hold questions and answers: ${formatFlag({ text: answers.question, label: answers.answer })}`;
  if (found === null)
    return 'Name the columns: --columns text=NAME,label=NAME, or messages=NAME, or prompt=NAME,chosen=NAME,rejected=NAME.';
  return `If they hold the texts and the labels: ${formatFlag(found.columns)}`;
}

/** `--columns text=body,label=team`, as a shell takes it. */
export function formatFlag(columns: Readonly<Record<string, string | undefined>>): string {
  const pairsOf = Object.entries(columns)
    .filter(([, name]) => name !== undefined)
    .map(([ours, name]) => `${ours}=${name}`);
  const value = pairsOf.join(',');
  return `--columns ${/^[\w=,.-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`}`;
}

/** `data stats`: what files of rows hold, in numbers. */
import { createDataFailure, type ReadNote } from '../dataset/findings.ts';
import { createBadRows, type BadRowKind } from '../dataset/bad-rows.ts';
import type { RowEvents } from '../dataset/row-events.ts';
import type { ChatMessage } from '../dataset/row.ts';
import { createFingerprintSet, getFingerprint, getInputFingerprint, getRowFingerprint } from '../dataset/fingerprints.ts';
import { countCharacters } from '../dataset/row-traits.ts';
import type { RowTokenizer } from '../dataset/token-counts.ts';
import { describeColumns } from './guess-columns.ts';
import { findKind, readExamples, refuseUnknownRows, type Example, type Kind, type PlainText, type RowFiles } from './read-examples.ts';

/** Of whole numbers, one a row. */
export interface Distribution {
  readonly least: number;
  readonly median: number;
  /** Nine of ten rows have at most so many. */
  readonly p90: number;
  readonly p99: number;
  readonly most: number;
  readonly total: number;
  /** How many rows have 0, and from 2^(i-1) to below 2^i. */
  readonly histogram: readonly number[];
}

export interface RowStats {
  readonly kind: Kind;
  readonly rows: number;
  /** How many rows each label has; empty where rows have none. */
  readonly labels: Readonly<Record<string, number>>;
  /** How many labels rows have; null: a row has one, or none of them can. */
  readonly labelsOfRow: Distribution | null;
  /** Of the texts of a row; labels and roles are not counted. */
  readonly characters: Distribution;
  /** Separated by white space. */
  readonly words: Distribution;
  /** Null: no tokenizer was named. */
  readonly tokens: TokenStats | null;
  /** Null: rows are no conversations. */
  readonly messages: (Distribution & { readonly roles: Readonly<Record<string, number>> }) | null;
  readonly duplicates: {
    /** Rows that equal an earlier row. */
    readonly rows: number;
    /** Rows with the input of an earlier row: those, and the ones with another label or answer. */
    readonly inputs: number;
  };
  readonly notes: readonly ReadNote[];
  /** Rows that cannot be used, and that no number counts. */
  readonly skipped: readonly BadRowKind[];
}

export interface TokenStats {
  /** The model that counts. */
  readonly tokenizer: string;
  readonly rows: Distribution;
  /** Those that are learned; null where labels are learned, which are no texts. */
  readonly learned: number | null;
  /** What a person must know about the figures. */
  readonly note: string | null;
}

/**
 * Measures the rows that can be used.
 * @throws Failure `data-invalid` for rows of no known form, and where no row can be used
 */
export async function measureRows(files: RowFiles, tokenizer: RowTokenizer | null): Promise<RowStats> {
  const kind = await findKind(files);
  if (kind === null) return await refuseUnknownRows(files, await describeColumns(files.paths[0]!, files.quote));
  const badRows = createBadRows();
  const notes: ReadNote[] = [];
  const events: RowEvents = { onBadRow: badRows.add, onNote: (note) => notes.push(note) };
  const labels = new Map<string, number>();
  const roles = new Map<string, number>();
  const [characters, words, messages] = [createCounts(), createCounts(), createCounts()];
  const labelsOfRow = createCounts();
  const [seenRows, seenInputs] = [createFingerprintSet(), createFingerprintSet()];
  const repeated = { rows: 0, inputs: 0 };
  for await (const examples of readExamples(files, kind, events)) {
    for (const { row } of examples) {
      const texts = collectTexts(row);
      characters.add('messages' in row || 'chosen' in row ? countCharacters(row) : texts.reduce((sum, text) => sum + text.length, 0));
      words.add(texts.reduce((sum, text) => sum + countWords(text), 0));
      const its = 'labels' in row ? row.labels : 'label' in row ? [row.label] : [];
      for (const label of its) labels.set(label, (labels.get(label) ?? 0) + 1);
      labelsOfRow.add(its.length);
      const all = getMessages(row);
      if (all !== null) messages.add(all.length);
      for (const { role } of all ?? []) roles.set(role, (roles.get(role) ?? 0) + 1);
      const input = isPlainText(row) ? getFingerprint(row.text) : getInputFingerprint(row);
      if (!seenRows.add(isPlainText(row) ? input : getRowFingerprint(row, input))) repeated.rows++;
      if (!seenInputs.add(input)) repeated.inputs++;
    }
  }
  const rows = characters.getCount();
  if (rows === 0) {
    badRows.check();
    throw createDataFailure('rows-missing', `expected rows, found none in ${files.paths.join(', ')}`);
  }
  const tokens = tokenizer === null ? null : await countTokens({ files, kind }, tokenizer, [...labels.keys()].sort());
  const isTalk = kind === 'chat' || kind === 'preference';
  return {
    kind,
    rows,
    labels: Object.fromEntries([...labels].sort(([a, first], [b, second]) => second - first || (a < b ? -1 : 1))),
    labelsOfRow: kind === 'multi-label' ? labelsOfRow.build() : null,
    characters: characters.build(),
    words: words.build(),
    tokens,
    messages: isTalk ? { ...messages.build(), roles: Object.fromEntries(roles) } : null,
    duplicates: repeated,
    notes,
    skipped: badRows.list(),
  };
}

/** Reads the rows once more: a model of a service is told all labels, which are known now. */
async function countTokens(
  { files, kind }: { readonly files: RowFiles; readonly kind: Kind },
  tokenizer: RowTokenizer,
  labels: readonly string[],
): Promise<TokenStats> {
  const counts = createCounts();
  let learned = 0;
  for await (const examples of readExamples(files, kind, { onBadRow: () => {}, onNote: () => {} })) {
    for (const { row } of examples) {
      const tokens = isPlainText(row)
        ? { all: tokenizer.countText(row.text), learned: null }
        : tokenizer.count(row, { answers: 'all', labels });
      counts.add(tokens.all);
      learned += tokens.learned ?? 0;
    }
  }
  const note = kind === 'text' ? null : tokenizer.getNote(kind);
  return { tokenizer: tokenizer.name, rows: counts.build(), learned: learned === 0 ? null : learned, note };
}

/** Whether a row is a text with nothing beside it. */
function isPlainText(row: Example['row']): row is PlainText {
  return 'text' in row && !('label' in row) && !('labels' in row) && !('value' in row);
}

function getMessages(row: Example['row']): readonly ChatMessage[] | null {
  if ('messages' in row) return row.messages;
  return 'prompt' in row ? [...row.prompt, ...row.chosen, ...row.rejected] : null;
}

/** The texts of a row, without its label. */
function collectTexts(row: Example['row']): string[] {
  if ('text' in row) return 'text2' in row && row.text2 !== undefined ? [row.text, row.text2] : [row.text];
  const tools = 'tools' in row && row.tools !== undefined ? [JSON.stringify(row.tools)] : [];
  return [...tools, ...getMessages(row)!.flatMap(listTexts)];
}

function listTexts({ content, tool_calls: calls }: ChatMessage): string[] {
  const texts = typeof content === 'string' ? [content] : [];
  if (Array.isArray(content)) for (const { text } of content as { text?: unknown }[]) if (typeof text === 'string') texts.push(text);
  if (!Array.isArray(calls)) return texts;
  for (const { function: called } of calls as { function: { name: string; arguments: unknown } }[]) {
    texts.push(called.name, typeof called.arguments === 'string' ? called.arguments : JSON.stringify(called.arguments));
  }
  return texts;
}

function countWords(text: string): number {
  let count = 0;
  for (const _ of text.matchAll(/\S+/g)) count++;
  return count;
}

interface Counts {
  add(value: number): void;
  getCount(): number;
  build(): Distribution;
}

/** Exact, in as much memory as there are different values. */
function createCounts(): Counts {
  const counts = new Map<number, number>();
  let count = 0;
  let total = 0;
  return {
    add(value) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
      count++;
      total += value;
    },
    getCount: () => count,
    build() {
      const sorted = [...counts].sort(([a], [b]) => a - b);
      const histogram: number[] = [];
      for (const [value, rows] of sorted) {
        const slot = value === 0 ? 0 : 32 - Math.clz32(value);
        histogram[slot] = (histogram[slot] ?? 0) + rows;
      }
      const find = (share: number): number => {
        let before = 0;
        for (const [value, rows] of sorted) if ((before += rows) >= share * count) return value;
        return 0;
      };
      return {
        least: sorted[0]?.[0] ?? 0,
        median: find(0.5),
        p90: find(0.9),
        p99: find(0.99),
        most: sorted.at(-1)?.[0] ?? 0,
        total,
        histogram: Array.from(histogram, (rows) => rows ?? 0),
      };
    },
  };
}

/** `data split`: rows of files into training rows and held-out rows, with no input in two of them. */
import { hash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { getExpectedAnswer, getPrompt } from '../dataset/chat.ts';
import { isAlike } from '../dataset/columns.ts';
import { formatLabelList } from '../dataset/label-list.ts';
import { createDataFailure, type ReadNote } from '../dataset/findings.ts';
import { createBadRows, type BadRowKind } from '../dataset/bad-rows.ts';
import { readRowBatches } from '../dataset/read-rows.ts';
import { tryParse, type RowEvents } from '../dataset/row-events.ts';
import type { RawRow, Row } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { createGroups, joinRareCombinations, type Amount, type Division } from './divide-groups.ts';
import { findKind, isTable, readExamples, type Example, type Kind, type RowFiles } from './read-examples.ts';
import { createTableFormat, formatHeader, formatRawJson, writeTogether, type Format, type WriteLines } from './write-rows.ts';

export type PartName = 'train' | 'test' | 'validation';

export interface SplitOptions extends RowFiles {
  readonly test: Amount | null;
  readonly validation: Amount | null;
  /**
   * The column whose values every part has in the same shares: of chats without it, the answer; of rows with several labels, each of them.
   * Null: none.
   */
  readonly stratify: string | null;
  /** Another one gives another split. */
  readonly seed: number;
  readonly skipBad: boolean;
  /** Where the parts are written. */
  readonly out: Readonly<Record<PartName, string>>;
}

export interface SplitPart {
  readonly name: PartName;
  readonly path: string;
  readonly rows: number;
  /** Rows by label, or by the values of the stratified column; empty where there are none. */
  readonly labels: Readonly<Record<string, number>>;
}

export interface Split {
  readonly kind: Kind | null;
  readonly parts: readonly SplitPart[];
  /** Rows whose input an earlier row has too, but for case, space and punctuation. */
  readonly repeated: number;
  readonly notes: readonly ReadNote[];
  readonly skipped: readonly BadRowKind[];
}

/** A row with what decides its part. */
interface Sample {
  readonly raw: RawRow;
  readonly source: string;
  readonly group: number;
  readonly stratum: string;
  /** What the part counts it under: its labels, else its stratum, if it has one. */
  readonly labels: readonly string[];
}

/**
 * Writes the parts as files of the same kind, all or none: each row as it is, in its order. The same rows and the same seed give the same
 * split, whatever the order of the rows.
 * @throws Failure `data-invalid` for rows that cannot be used, unless they are skipped, and for a part without rows; `usage`
 */
export async function splitRows(options: SplitOptions): Promise<Split> {
  const { test, validation, paths, out } = options;
  checkFormats(paths);
  const badRows = createBadRows();
  const notes: ReadNote[] = [];
  const kind = await findKind(options);
  const wanted = (
    [
      ['test', test],
      ['validation', validation],
    ] as const
  ).filter(([, amount]) => amount !== null);
  const names: readonly PartName[] = ['train', ...wanted.map(([name]) => name)];
  const groups = createGroups();
  const events: RowEvents = { onBadRow: badRows.add, onNote: (note) => notes.push(note) };
  for await (const { group, stratum } of readSamples(options, kind, events)) groups.add(group, stratum);
  if (!options.skipBad) badRows.check();
  if (groups.rows === 0) throw createDataFailure('rows-missing', `expected rows, found none in ${paths.join(', ')}`);
  const amounts = wanted.map(([, amount]) => amount!);
  const join = isOfLabels(options, kind) ? joinRareCombinations(groups.strata, amounts) : undefined;
  if (join === undefined) checkStrata(options, groups.strata, groups.rows);
  const division = groups.divide(amounts, join);
  const tallies = names.map(() => ({ rows: 0, labels: new Map<string, number>() }));
  await writeTogether(
    names.map((name) => out[name]),
    async (writers) => {
      await writeParts({ options, kind, division, writers }, (part, labels) => {
        const tally = tallies[part]!;
        tally.rows++;
        for (const label of labels) tally.labels.set(label, (tally.labels.get(label) ?? 0) + 1);
      });
      checkParts(names, tallies, groups.count);
    },
  );
  const parts = names.map((name, i) => ({ name, path: out[name], rows: tallies[i]!.rows, labels: Object.fromEntries(tallies[i]!.labels) }));
  return { kind, parts, repeated: groups.rows - groups.count, notes, skipped: badRows.list() };
}

/** Where the parts of a file are written: into a folder, else beside it. */
export function getPartPaths(path: string, folder: string | null): Readonly<Record<PartName, string>> {
  const ending = getFormat(path);
  const base = basename(path)
    .replace(/\.gz$/i, '')
    .replace(/\.\w+$/, '');
  const toPath = (name: PartName): string =>
    folder === null ? join(dirname(path), `${base}.${name}.${ending}`) : join(folder, `${name}.${ending}`);
  return { train: toPath('train'), test: toPath('test'), validation: toPath('validation') };
}

/** @throws Failure `usage` for files of two kinds, whose parts could be neither */
function checkFormats(paths: readonly string[]): void {
  const other = paths.find((path) => getFormat(path) !== getFormat(paths[0]!));
  if (other === undefined) return;
  throw new Failure('usage', `expected files of one kind, found ${paths[0]!} and ${other}`, {
    hint: 'Make JSON Lines of them first: data convert FILES --to jsonl --out FILE',
  });
}

function getFormat(path: string): Format {
  return isTable(path) ? 'csv' : 'jsonl';
}

/** 53 bits of a hash, from 1 on. */
function toGroup(sha256: Buffer): number {
  return sha256.readUInt32BE(8) * 2 ** 21 + (sha256.readUInt32BE(12) >>> 11) + 1;
}

async function* readSamples(options: SplitOptions, kind: Kind | null, { onBadRow, onNote }: RowEvents): AsyncGenerator<Sample> {
  const seed = String(options.seed);
  const getStratum = createStratum(options, kind);
  const toSample = (raw: RawRow, source: string, row: Example['row'] | null): Sample => {
    const input = foldInput(row === null ? raw.row : getInput(row));
    const group = toGroup(hash('sha256', `${seed}\n${input}`, 'buffer'));
    const stratum = getStratum?.(raw, row, source) ?? '';
    const labels = getStratum === null || isOfLabels(options, kind) ? getLabels(row) : [stratum];
    return { raw, source, group, stratum, labels };
  };
  if (kind === null) {
    for (const source of options.paths) {
      for await (const batch of readRowBatches(source, { onBadRow, onNote, quote: options.quote, withText: true })) {
        for (const raw of batch) {
          const sample = tryParse(() => toSample(raw, source, null), onBadRow, { source, line: raw.line });
          if (sample !== null) yield sample;
        }
      }
    }
    return;
  }
  for await (const examples of readExamples(options, kind, { onBadRow, onNote, withText: true })) {
    for (const { raw, row } of examples) {
      const { source, line } = row;
      const sample = tryParse(() => toSample(raw, source, row), onBadRow, { source, line });
      if (sample !== null) yield sample;
    }
  }
}

function getLabels(row: Example['row'] | null): readonly string[] {
  if (row === null) return [];
  return 'labels' in row ? row.labels : 'label' in row ? [row.label] : [];
}

function getInput(row: Example['row']): unknown {
  if (!('text' in row)) return getPrompt(row);
  return 'text2' in row ? [row.text, row.text2] : row.text;
}

/** All texts in a value without case, space and punctuation, so that inputs which a person takes for one are in one part. */
export function foldInput(value: unknown): string {
  const texts: string[] = [];
  collectTexts(value, texts);
  const folded = texts.map((text) =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll(/[\p{P}\p{S}\s]+/gu, ' ')
      .trim(),
  );
  return folded.some((text) => text !== '') ? folded.join('\n') : texts.join('\n');
}

function collectTexts(value: unknown, texts: string[]): void {
  if (typeof value === 'string') texts.push(value);
  else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) collectTexts(inner, texts);
  else if (value !== null && value !== undefined) texts.push(JSON.stringify(value));
}

/** Whether the parts have each of several labels of a row in its share. */
function isOfLabels({ stratify, columns }: SplitOptions, kind: Kind | null): boolean {
  return kind === 'multi-label' && stratify !== null && ['label', 'labels', columns['labels']].includes(stratify);
}

type StratumOf = (raw: RawRow, row: Example['row'] | null, source: string) => string;

/** The value that decides the stratum of a row: that of the column, or of a chat without it the answer; null: there are no strata. */
function createStratum(options: SplitOptions, kind: Kind | null): StratumOf | null {
  const { stratify, columns } = options;
  if (stratify === null) return null;
  if (isOfLabels(options, kind)) return (_, row) => formatLabelList(getLabels(row));
  const wanted = columns[stratify] ?? stratify;
  return (raw, row, source) => {
    const name = Object.hasOwn(raw.row, wanted) ? wanted : Object.keys(raw.row).find((key) => isAlike(key, wanted));
    if (name !== undefined) return formatStratum(raw.row[name]);
    if (kind === 'chat' && stratify === 'label') return getExpectedAnswer(row as Row) ?? '';
    const found = Object.keys(raw.row).slice(0, 12).map(formatValue).join(', ');
    throw createDataFailure(
      'column-missing',
      `${source}:${raw.line}: expected the column ${formatValue(wanted)} of --stratify, found ${found}`,
    );
  };
}

function formatStratum(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @throws Failure `usage` for a column whose values are as many as rows */
function checkStrata({ stratify }: SplitOptions, strata: ReadonlyMap<string, number>, rows: number): void {
  if (stratify === null || strata.size < 20 || strata.size * 2 <= rows) return;
  throw new Failure(
    'usage',
    `--stratify expects a column with few different values, found ${strata.size} in ${rows} rows of ${formatValue(stratify)}`,
  );
}

interface Writing {
  readonly options: SplitOptions;
  readonly kind: Kind | null;
  readonly division: Division;
  readonly writers: readonly WriteLines[];
}

async function writeParts(
  { options, kind, division, writers }: Writing,
  onRow: (part: number, labels: readonly string[]) => void,
): Promise<void> {
  const asTable = getFormat(options.paths[0]!) === 'csv';
  let formatLine: ((sample: Sample) => string) | null = null;
  const events: RowEvents = { onBadRow: () => {}, onNote: () => {} }; // they are known from the first pass
  for await (const sample of readSamples(options, kind, events)) {
    if (formatLine === null) {
      const columns = Object.keys(sample.raw.row);
      const formatRow = createTableFormat(columns);
      formatLine = asTable ? ({ raw, source }) => formatRow(raw.row, `${source}:${raw.line}`) : ({ raw }) => formatRawJson(raw);
      if (asTable) for (const write of writers) await write(formatHeader(columns));
    }
    const part = division.getPart(sample.group);
    if (part === null) throw createDataFailure('unexpected', `${sample.source}:${sample.raw.line}: the file was changed while it was read`);
    onRow(part, sample.labels);
    await writers[part]!(formatLine(sample));
  }
}

function checkParts(names: readonly PartName[], tallies: readonly { readonly rows: number }[], groups: number): void {
  const empty = tallies.findIndex(({ rows }) => rows === 0);
  if (empty < 0) return;
  const found = `found none for ${names[empty]!}: the rows have ${groups} different ${groups === 1 ? 'input' : 'inputs'}`;
  throw createDataFailure('rows-missing', `expected rows in each part, ${found}`, { hint: 'Use other shares or more rows.' });
}

/** The rows of a classifier: a text or a pair of texts, and its label or labels. Texts become tokens. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Failure, toFileFailure } from '../../../errors.ts';
import { isObject } from '../../../lib/json.ts';
import { readLines } from '../../../lib/lines.ts';
import { formatValue } from '../../../lib/text.ts';
import type { TokenRow } from '../../engine/batches.ts';
import type { TrainingSettings } from '../../protocol.ts';
import type { Tokenizer } from '../../tokenizer.ts';

/** A row as the model reads it. */
export interface EncodedRow extends TokenRow {
  /** Index of its class; 0 where it is to be predicted. */
  readonly label: number;
  /** What the loss compares the outputs with, a number for each; absent: 1 for the label, 0 for the others. */
  readonly targets?: readonly number[];
  /** What the row counts in a mean of losses; absent: 1. */
  readonly weight?: number;
  /** Where a text may have several labels: what the loss of each label is multiplied with; absent: 1. */
  readonly weights?: readonly number[];
}

/** What of a training's settings changes the loss of a row. */
export type LossSettings = Pick<TrainingSettings, 'labelSmoothing' | 'classWeights'>;

/**
 * Training rows of texts that may have several labels, whose losses are those of PyTorch's BCEWithLogitsLoss with its `pos_weight`: the loss of a
 * label that a row has is multiplied with the label's weight. The mean is over rows and labels, whatever they weigh.
 */
export function applyLabelWeights<Row extends EncodedRow | undefined>(
  rows: readonly Row[],
  { classWeights }: LossSettings,
): readonly Row[] {
  if (!classWeights) return rows;
  return rows.map((row) => row && { ...row, weights: row.targets!.map((target, label) => (target === 1 ? classWeights[label]! : 1)) });
}

/**
 * Training rows whose losses are those of PyTorch's CrossEntropyLoss with its `label_smoothing` e and `weight` w: a label's target is 1 - e, then
 * every class of C gets e / C more, each target is multiplied with the weight of its class, and a row counts as the weight of its label.
 */
export function applyLossSettings<Row extends EncodedRow | undefined>(
  rows: readonly Row[],
  classes: number,
  settings: LossSettings,
): readonly Row[] {
  const { labelSmoothing = 0, classWeights } = settings;
  if (classes === 0 || (labelSmoothing === 0 && !classWeights)) return rows;
  const getWeight = (label: number): number => classWeights?.[label] ?? 1;
  const all = Array.from({ length: classes }, (_, label) => label);
  const targets = all.map((label) =>
    all.map((other) => getWeight(other) * ((other === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes)),
  );
  return rows.map((row) => row && { ...row, targets: targets[row.label]!, weight: getWeight(row.label) });
}

/** What turns texts into tokens for a model. */
export interface Encoder {
  readonly tokenizer: Tokenizer;
  /** The sizes of the model's tables. */
  readonly config: { readonly vocabSize: number; readonly typeVocabSize: number };
  /** Rows are cut to so many tokens. */
  readonly maxLength: number;
}

export interface EncodedRows<Row = EncodedRow> {
  readonly rows: readonly Row[];
  /** Rows that were longer than the model may read. */
  readonly truncated: number;
}

interface LabelledEncoder extends Encoder {
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
}

export interface ReadRowsOptions {
  /** Is told how far the reading is, with each part of the file. */
  readonly onRead?: (progress: { readonly rows: number; readonly share: number }) => void;
}

/**
 * Training rows of a JSON Lines file, `{text, text2?, label}` each, as tokens. Without `labels` a row's label is a number; where texts have
 * several, it is the list of them.
 *
 * @throws Failure `data-invalid` naming the line when a row is broken or its label is not one of `labels`; `file-missing`
 */
export async function readRows(encoder: LabelledEncoder, path: string, options: ReadRowsOptions = {}): Promise<EncodedRows> {
  const { rows, truncated } = await readChosenRows(encoder, path, { ...options, choose: null });
  return { rows: rows.filter((row) => row !== undefined), truncated };
}

/**
 * The same with undefined in the place of each row that is not needed, which is not looked at.
 * @param options `choose` gives the rows that are needed of so many, counted from 0; null: all
 */
export async function readChosenRows(
  encoder: LabelledEncoder,
  path: string,
  { choose, onRead }: ReadRowsOptions & { readonly choose: ((count: number) => ReadonlySet<number> | null) | null },
): Promise<EncodedRows<EncodedRow | undefined>> {
  const { labels, isMultiLabel } = encoder;
  const parse = isMultiLabel ? parseTargets : parseTarget;
  const rows: (EncodedRow | undefined)[] = [];
  let [truncated, line, bytesRead] = [0, 0, 0];
  try {
    const needed = choose?.(await countRows(path)) ?? null;
    const { size } = await stat(path);
    for await (const lines of readLines(createReadStream(path) as AsyncIterable<Buffer>, path)) {
      for (const bytes of lines) {
        const source = `${path}:${++line}`;
        bytesRead += bytes.length;
        if (needed?.has(rows.length) === false) {
          if (!isBlank(bytes)) rows.push(undefined);
          continue;
        }
        const row = parseRow(bytes, source);
        if (row === null) continue;
        const target = parse(row.json['label'], labels, source);
        const encoded = encodeText(encoder, row);
        rows.push({ ...encoded.row, ...target });
        if (encoded.truncated) truncated++;
      }
      onRead?.({ rows: rows.length, share: Math.min(1, bytesRead / Math.max(1, size)) });
    }
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  }
  return { rows, truncated };
}

/** Lines that are not blank, which costs far less than to read them. */
async function countRows(path: string): Promise<number> {
  let count = 0;
  for await (const lines of readLines(createReadStream(path) as AsyncIterable<Buffer>, path)) {
    for (const bytes of lines) if (!isBlank(bytes)) count++;
  }
  return count;
}

/** As `parseLine` has it. */
function isBlank(bytes: Buffer): boolean {
  return bytes[0] !== 0x7b && bytes.toString('utf8').trim() === '';
}

function parseTarget(found: unknown, labels: readonly string[], source: string): Pick<EncodedRow, 'label' | 'targets'> {
  const label = labels.indexOf(String(found));
  if (label >= 0) return { label };
  if (labels.length === 0 && typeof found === 'number') return { label: 0, targets: [found] };
  const expected = labels.length === 0 ? 'a number' : `one of ${JSON.stringify(labels)}`;
  throw new Failure('data-invalid', `${source}: "label": expected ${expected}, found ${formatValue(found)}`);
}

/** 1 for each label that the row has, 0 for the others. */
function parseTargets(found: unknown, labels: readonly string[], source: string): Pick<EncodedRow, 'label' | 'targets'> {
  const given = Array.isArray(found) ? (found as unknown[]) : null;
  if (given?.every((label) => labels.includes(label as string)))
    return { label: 0, targets: labels.map((label) => Number(given.includes(label))) };
  const expected = `expected a list with any of ${JSON.stringify(labels)}`;
  throw new Failure('data-invalid', `${source}: "label": ${expected}, found ${formatValue(found)}`);
}

interface ParsedRow {
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly text2: string | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A line's JSON with its text, or its pair of texts; null for an empty line. @throws Failure `data-invalid` that names `source` */
export function parseRow(line: Uint8Array, source: string): ParsedRow | null {
  const json = parseLine(line, source);
  if (json === null) return null;
  const { text, text2 } = json;
  if (typeof text !== 'string') throw new Failure('data-invalid', `${source}: "text": expected a string, found ${formatValue(text)}`);
  if (text2 !== undefined && typeof text2 !== 'string')
    throw new Failure('data-invalid', `${source}: "text2": expected a string, found ${formatValue(text2)}`);
  return { json, text, text2 };
}

/** The JSON object of a line; null for an empty line. @throws Failure `data-invalid` that names `source` */
export function parseLine(line: Uint8Array, source: string): Readonly<Record<string, unknown>> | null {
  let text = '';
  let json: unknown;
  try {
    text = decoder.decode(line).trim();
    json = text === '' ? null : JSON.parse(text);
  } catch (error) {
    const expected = error instanceof SyntaxError ? `JSON: ${text.slice(0, 100)}` : 'UTF-8';
    throw new Failure('data-invalid', `${source}: not valid ${expected}`, { error });
  }
  if (text === '') return null;
  if (!isObject(json)) throw new Failure('data-invalid', `${source}: expected a JSON object, found ${formatValue(json)}`);
  return json;
}

/**
 * Tokens of a text or a pair, without a label.
 *
 * @throws Failure `model-invalid` when the tokenizer gives what the model's tables do not have
 */
export function encodeText(
  { tokenizer, config, maxLength }: Encoder,
  { text, text2 }: { readonly text: string; readonly text2: string | undefined },
): { readonly row: EncodedRow; readonly truncated: boolean } {
  const { ids, typeIds, truncated } = tokenizer.encode(text, text2, maxLength);
  const [id, typeId] = [Math.max(...ids), Math.max(...typeIds)];
  if (id >= config.vocabSize)
    throw new Failure('model-invalid', `the tokenizer gives token ${id}, the model has tokens 0 to ${config.vocabSize - 1} only`);
  if (config.typeVocabSize > 0 && typeId >= config.typeVocabSize)
    throw new Failure('model-invalid', `the model does not read pairs of texts: type_vocab_size is ${config.typeVocabSize}`);
  return { row: { ids, typeIds, label: 0 }, truncated };
}

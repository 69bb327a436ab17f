/** The rows of a classifier: a text or a pair of texts, and its label or labels. Texts become tokens. */
import { Failure } from '../../../errors.ts';
import { formatValue } from '../../../lib/text.ts';
import type { TokenRow } from '../../engine/batches.ts';
import type { TrainingSettings } from '../../protocol.ts';
import type { Tokenizer } from '../../tokenizer.ts';
import { checkIds, parseLine, readRowLines, type ChosenRowsOptions } from '../row-lines.ts';

/** A row as the model reads it. */
export interface EncodedRow extends TokenRow {
  readonly typeIds: readonly number[];
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

/**
 * Training rows of a JSON Lines file, `{text, text2?, label}` each, as tokens, with undefined in the place of each row that is not needed,
 * which is not looked at. Without `labels` a row's label is a number; where texts have several, it is the list of them.
 *
 * @param options `choose` gives the rows that are needed of so many, counted from 0; null: all
 * @throws Failure `data-invalid` naming the line when a row is broken or its label is not one of `labels`; `file-missing`
 */
export async function readChosenRows(
  encoder: LabelledEncoder,
  path: string,
  options: ChosenRowsOptions,
): Promise<EncodedRows<EncodedRow | undefined>> {
  const { labels, isMultiLabel } = encoder;
  const parse = isMultiLabel ? parseTargets : parseTarget;
  let truncated = 0;
  const rows = await readRowLines(
    path,
    (json, source): EncodedRow => {
      const row = parseTexts(json, source);
      const target = parse(json['label'], labels, source);
      const encoded = encodeText(encoder, row);
      if (encoded.truncated) truncated++;
      return { ...encoded.row, ...target };
    },
    options,
  );
  return { rows, truncated };
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

/** A line's text, or its pair of texts; null for an empty line. @throws Failure `data-invalid` that names `source` */
export function parseRow(line: Uint8Array, source: string): ParsedRow | null {
  const json = parseLine(line, source);
  return json && parseTexts(json, source);
}

function parseTexts(json: Readonly<Record<string, unknown>>, source: string): ParsedRow {
  const { text, text2 } = json;
  if (typeof text !== 'string') throw new Failure('data-invalid', `${source}: "text": expected a string, found ${formatValue(text)}`);
  if (text2 !== undefined && typeof text2 !== 'string')
    throw new Failure('data-invalid', `${source}: "text2": expected a string, found ${formatValue(text2)}`);
  return { json, text, text2 };
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
  checkIds(ids, config.vocabSize);
  const typeId = Math.max(...typeIds);
  if (config.typeVocabSize > 0 && typeId >= config.typeVocabSize)
    throw new Failure('model-invalid', `the model does not read pairs of texts: type_vocab_size is ${config.typeVocabSize}`);
  return { row: { ids, typeIds, label: 0 }, truncated };
}

export { parseLine };

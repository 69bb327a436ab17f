/** The rows of a language model's training: texts of which parts are learned, alone or as pairs of a better and a worse one. */
import { Failure } from '../../../errors.ts';
import { isObject } from '../../../lib/json.ts';
import { formatValue } from '../../../lib/text.ts';
import type { ChatTrainRow } from '../../protocol.ts';
import type { Tokenizer } from '../../tokenizer.ts';
import { checkIds, readRowLines, type ChosenRowsOptions } from '../row-lines.ts';

/** A text as the model reads it. */
export interface LearnedRow {
  readonly ids: readonly number[];
  /** Whether each token is learned; as many as `ids`. The first one never is: it follows on nothing. */
  readonly learned: readonly boolean[];
}

export interface PreferencePair {
  readonly chosen: LearnedRow;
  readonly rejected: LearnedRow;
}

/** What turns texts into tokens for a language model. */
export interface TextEncoder {
  readonly tokenizer: Pick<Tokenizer, 'encodeSpans'>;
  readonly config: { readonly vocabSize: number };
  /** Texts are cut to so many tokens. */
  readonly maxLength: number;
}

export interface TextRows<Row> {
  readonly rows: readonly Row[];
  /** Rows that were longer than the model may read. */
  readonly truncated: number;
}

/**
 * Rows of a file with a `ChatTrainRow` a line; undefined in the place of each that is not needed, which is not looked at.
 * @throws Failure `data-invalid` where a line is broken, and for rows without a token to learn; `file-missing`; `model-invalid`
 */
export async function readChatRows(
  encoder: TextEncoder,
  path: string,
  options: ChosenRowsOptions = { choose: null },
): Promise<TextRows<LearnedRow | undefined>> {
  return await readTexts(encoder, { path, options }, (json, encode) => encode(json, ''));
}

/** The same of a file with a `PreferenceTrainRow` a line. A pair is cut where one of its texts is. */
export async function readPreferenceRows(
  encoder: TextEncoder,
  path: string,
  options: ChosenRowsOptions = { choose: null },
): Promise<TextRows<PreferencePair | undefined>> {
  return await readTexts(encoder, { path, options }, ({ chosen, rejected }, encode) => ({
    chosen: encode(chosen, '"chosen": '),
    rejected: encode(rejected, '"rejected": '),
  }));
}

/** Of so many rows the first are looked at before a training. */
const sampleRows = 200;

/** The texts of a file's first rows, pairs as two. @throws Failure `data-invalid` where a line is broken, `file-missing` */
export async function readSample(path: string): Promise<ChatTrainRow[]> {
  const toTexts = (json: Readonly<Record<string, unknown>>, source: string): ChatTrainRow[] => {
    const ends = ['chosen', 'rejected'].filter((name) => name in json);
    return ends.length > 0 ? ends.map((name) => parseText(json[name], `${source}: "${name}": `)) : [parseText(json, `${source}: `)];
  };
  const choose = (count: number): ReadonlySet<number> => new Set(Array.from({ length: Math.min(count, sampleRows) }, (_, i) => i));
  return (await readRowLines(path, toTexts, { choose })).flatMap((texts) => texts ?? []);
}

/** @param field names the text in messages */
type EncodeText = (text: unknown, field: string) => LearnedRow;

interface RowFile {
  readonly path: string;
  readonly options: ChosenRowsOptions;
}

async function readTexts<Row>(
  encoder: TextEncoder,
  { path, options }: RowFile,
  toRow: (json: Readonly<Record<string, unknown>>, encode: EncodeText) => Row,
): Promise<TextRows<Row | undefined>> {
  let truncated = 0;
  const empty: { readonly source: string; readonly isCut: boolean }[] = [];
  const rows = await readRowLines(
    path,
    (json, source) => {
      let isTruncated = false;
      let isEmpty = false;
      const row = toRow(json, (text, field) => {
        const encoded = encodeLearned(encoder, parseText(text, `${source}: ${field}`));
        isTruncated ||= encoded.truncated;
        isEmpty ||= !encoded.row.learned.includes(true);
        return encoded.row;
      });
      if (isTruncated) truncated++;
      if (isEmpty) empty.push({ source, isCut: isTruncated });
      return row;
    },
    options,
  );
  if (empty.length > 0) throw refuseEmpty(empty, encoder.maxLength);
  return { rows, truncated };
}

/**
 * The tokens of a text. It may have none that is learned.
 * @throws Failure `model-invalid` when the tokenizer gives what the model does not have
 */
export function encodeLearned(
  { tokenizer, config, maxLength }: TextEncoder,
  text: ChatTrainRow,
): { readonly row: LearnedRow; readonly truncated: boolean } {
  const { ids, learned, truncated } = tokenizer.encodeSpans(text, maxLength);
  checkIds(ids, config.vocabSize);
  return { row: { ids, learned: learned.map((isLearned, place) => isLearned && place > 0) }, truncated };
}

function parseText(found: unknown, source: string): ChatTrainRow {
  const { text, learned, hasBegin } = isObject(found) ? found : {};
  if (typeof text !== 'string') throw new Failure('data-invalid', `${source}"text": expected a string, found ${formatValue(text)}`);
  const spans = Array.isArray(learned) ? (learned as unknown[]) : [undefined];
  let last = 0;
  for (const span of spans) {
    const [start, end] = Array.isArray(span) && span.length === 2 ? (span as unknown[]) : [];
    if (!isPlace(start, last, text.length) || !isPlace(end, start, text.length)) {
      const expected = `expected pairs of places in the text, 0 to ${text.length}, in order`;
      throw new Failure('data-invalid', `${source}"learned": ${expected}, found ${formatValue(span === undefined ? learned : span)}`);
    }
    last = end;
  }
  return { text, learned: spans as ChatTrainRow['learned'], ...(hasBegin === true && { hasBegin }) };
}

function isPlace(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

const shownRows = 4;

function refuseEmpty(empty: readonly { readonly source: string; readonly isCut: boolean }[], maxLength: number): Failure {
  const isCut = empty.some((row) => row.isCut);
  const within = isCut ? ` within ${maxLength} tokens` : '';
  const others = empty.slice(1, shownRows).map(({ source }) => source.slice(source.lastIndexOf(':') + 1));
  const more = empty.length > shownRows ? ', …' : '';
  const also = empty.length > 1 ? ` (${empty.length} such rows; also at line ${others.join(', ')}${more})` : '';
  return new Failure('data-invalid', `${empty[0]!.source}: no token of the answer is left to learn${within}${also}`, {
    hint: isCut
      ? 'Shorten these rows or leave them out, or raise "maxLength" where the model can read more.'
      : 'Leave these rows out, or give at least one answer a weight of 1.',
    finding: 'tokens-none',
  });
}

/** From rows to what the model reads: texts become tokens, rows become batches of similar length, a batch becomes padded tensors. */
import { createReadStream } from 'node:fs';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { Failure, toFileFailure } from '../../errors.ts';
import { isObject } from '../../lib/json.ts';
import { readLines } from '../../lib/lines.ts';
import { toShuffled, toStreamKey } from '../../lib/random.ts';
import { formatValue } from '../../lib/text.ts';
import type { TensorFlow } from '../backends/index.ts';

/** A row as the model reads it. */
export interface EncodedRow {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
  /** Index of its class; 0 where it is to be predicted. */
  readonly label: number;
}

/** A text, or a pair of texts, as the model reads it. */
export interface EncodedText {
  readonly ids: readonly number[];
  /** 0 for the first text, 1 for the second one; as many as `ids`. */
  readonly typeIds: readonly number[];
  /** Whether tokens were left out so that `maxLength` holds. */
  readonly truncated: boolean;
}

export interface Tokenizer {
  /** At most `maxLength` tokens, the special ones included and never cut away. The longer text of a pair loses its last token first. */
  encode(text: string, text2: string | undefined, maxLength: number): EncodedText;
}

/** What turns texts into tokens for a model. */
export interface Encoder {
  readonly tokenizer: Tokenizer;
  /** The sizes of the model's tables. */
  readonly config: { readonly vocabSize: number; readonly typeVocabSize: number };
  /** Rows are cut to so many tokens. */
  readonly maxLength: number;
}

export interface EncodedRows {
  readonly rows: readonly EncodedRow[];
  /** Rows that were longer than the model may read. */
  readonly truncated: number;
}

/**
 * Training rows of a JSON Lines file, `{text, text2?, label}` each, as tokens.
 *
 * @throws Failure `data-invalid` naming the line when a row is broken or its label is not one of `labels`; `file-missing`
 */
export async function readRows(encoder: Encoder & { readonly labels: readonly string[] }, path: string): Promise<EncodedRows> {
  const { labels } = encoder;
  const rows: EncodedRow[] = [];
  let truncated = 0;
  let line = 0;
  const chunks = createReadStream(path) as AsyncIterable<Buffer>;
  try {
    for await (const lines of readLines(chunks, path)) {
      for (const bytes of lines) {
        const source = `${path}:${++line}`;
        const row = parseRow(bytes, source);
        if (row === null) continue;
        const label = labels.indexOf(String(row.json['label']));
        if (label < 0) {
          const found = formatValue(row.json['label']);
          throw new Failure('data-invalid', `${source}: "label": expected one of ${JSON.stringify(labels)}, found ${found}`);
        }
        const encoded = encodeText(encoder, row);
        rows.push({ ...encoded.row, label });
        if (encoded.truncated) truncated++;
      }
    }
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  }
  return { rows, truncated };
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
  if (typeId >= config.typeVocabSize)
    throw new Failure('model-invalid', `the model does not read pairs of texts: type_vocab_size is ${config.typeVocabSize}`);
  return { row: { ids, typeIds, label: 0 }, truncated };
}

const sortedBatches = 16; // sorted together: enough for little padding, few enough to stay random

/**
 * One pass over the rows: row indices in batches. Shuffled, then each 16 batches sorted by length, so that a batch holds rows of
 * similar length and needs little padding, then the batches shuffled. The same for the same seed and epoch.
 */
export function planEpoch(
  lengths: readonly number[],
  { batchSize, seed, epoch }: { batchSize: number; seed: number; epoch: number },
): number[][] {
  const rows = toShuffled([...lengths.keys()], toStreamKey(seed, 'rows', epoch));
  const batches = toParts(rows, sortedBatches * batchSize).flatMap((part) =>
    toParts(
      part.toSorted((a, b) => lengths[a]! - lengths[b]!),
      batchSize,
    ),
  );
  return toShuffled(batches, toStreamKey(seed, 'batches', epoch));
}

/** Batches of similar length for reading only: the longest row first, so that memory is asked for once. */
export function sortIntoBatches(lengths: readonly number[], batchSize: number): number[][] {
  return toParts(
    [...lengths.keys()].toSorted((a, b) => lengths[b]! - lengths[a]!),
    batchSize,
  );
}

/** Consecutive parts of `size` items; the last one may be shorter. */
export function toParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Rows side by side, padded to one length. B texts of S positions, M = B * S. */
export interface Batch {
  readonly sizes: { readonly texts: number; readonly positions: number };
  /** Word of each position, int32 [M]. */
  readonly ids: Tensor1D;
  /** Two ones a row, [M, S + T]: which position and which type it is. */
  readonly places: Tensor2D;
  /** Added to attention scores: 0, or -1e9 at padding, [B, 1, 1, S]. */
  readonly mask: Tensor;
  /** One-hot classes, [B, C]. */
  readonly labels: Tensor2D;
}

interface BatchSizes {
  readonly classes: number;
  readonly padTokenId: number;
  readonly typeVocabSize: number;
  readonly maxPositions: number;
}

/**
 * Pads rows to the longest of them, rounded up to a multiple of 4 (kernels work on four numbers at once). The rows must fit the
 * model; `readRows` sees to that. The caller frees the tensors, for example with `tf.tidy`.
 */
export function buildBatch(
  tf: TensorFlow,
  rows: readonly EncodedRow[],
  { classes, padTokenId, typeVocabSize, maxPositions }: BatchSizes,
): Batch {
  const B = rows.length;
  const S = 4 * Math.ceil(Math.max(1, ...rows.map((row) => row.ids.length)) / 4);
  const used = Math.min(S, maxPositions); // padding beyond the last position shares it
  const ids = new Int32Array(B * S).fill(padTokenId);
  const places = new Float32Array(B * S * (used + typeVocabSize));
  const mask = new Float32Array(B * S).fill(-1e9);
  const labels = new Float32Array(B * classes);
  for (const [b, row] of rows.entries()) {
    ids.set(row.ids, b * S);
    mask.fill(0, b * S, b * S + row.ids.length);
    labels[b * classes + row.label] = 1;
    for (let s = 0; s < S; s++) {
      const start = (b * S + s) * (used + typeVocabSize);
      places[start + Math.min(s, used - 1)] = 1;
      places[start + used + (row.typeIds[s] ?? 0)] = 1;
    }
  }
  return {
    sizes: { texts: B, positions: S },
    ids: tf.tensor1d(ids, 'int32'),
    places: tf.tensor2d(places, [B * S, used + typeVocabSize]),
    mask: tf.tensor(mask, [B, 1, 1, S]),
    labels: tf.tensor2d(labels, [B, classes]),
  };
}

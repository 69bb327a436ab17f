import { hash } from 'node:crypto';
import { formatCanonicalJson } from '../lib/json.ts';
import { getPrompt } from './chat.ts';
import { formatLabelList } from './label-list.ts';
import type { Row } from './row.ts';

/**
 * Whether a row is one of the validation rows when `fraction` of the training data validates. The row alone decides, so that
 * adding, removing or moving rows changes the side of no other row, and equal rows are on one side.
 */
export function isValidationRow(row: Row, fraction: number): boolean {
  // The first 32 bits, big endian, as a share of 2^32.
  return fraction > 0 && hashRow(row).readUInt32BE(0) / 2 ** 32 < fraction;
}

/** SHA-256 over `formatRow`. */
export function hashRow(row: Row): Buffer {
  return hash('sha256', formatRow(row), 'buffer');
}

/** RFC 8785 JSON of the mapped columns. */
export function formatRow(row: Row): string {
  // For well-formed strings under names in order, JSON.stringify writes canonical JSON, many times faster than a walk over the value.
  if ('label' in row) return JSON.stringify({ label: row.label, text: row.text, text2: row.text2 });
  if ('labels' in row) return JSON.stringify({ labels: row.labels, text: row.text, text2: row.text2 });
  if ('value' in row) return JSON.stringify({ text: row.text, text2: row.text2, value: row.value });
  const { tools, parallel_tool_calls } = row;
  if ('messages' in row) return formatCanonicalJson({ messages: row.messages, tools, parallel_tool_calls });
  const { prompt, chosen, rejected } = row;
  return formatCanonicalJson({ prompt, chosen, rejected, tools, parallel_tool_calls });
}

/** The same of the model's input: the row without its label, the messages before the answer. */
export function formatInput(row: Row): string {
  return 'text' in row ? JSON.stringify({ text: row.text, text2: row.text2 }) : formatCanonicalJson(getPrompt(row));
}

/** SHA-256 over `formatInput`. */
export function hashText(row: Row): Buffer {
  return hash('sha256', formatInput(row), 'buffer');
}

/**
 * Which rows of the training files are held out: of each label those whose text has a hash below this; under '' where rows have no label. Where
 * they have several, each combination that occurs counts as a label.
 */
export type HeldOutSplit = Readonly<Record<string, number>>;

function getStratum(row: Row): string {
  if ('label' in row) return row.label;
  return 'labels' in row ? formatLabelList(row.labels) : '';
}

/** Whether a row of the training files is held out. Equal texts are on one side, unless they have different labels. */
export function isHeldOutRow(row: Row, split: HeldOutSplit): boolean {
  const label = getStratum(row);
  return Object.hasOwn(split, label) && getTextShare(row) < split[label]!;
}

/** The part to which a row of the training files belongs. */
export function getPart(row: Row, heldOut: HeldOutSplit, validationFraction: number): 'test' | 'validation' | 'train' {
  if (isHeldOutRow(row, heldOut)) return 'test';
  return isValidationRow(row, validationFraction) ? 'validation' : 'train';
}

/** 48 bits of the hash of the text that the other split does not use, as a share of 2^48. */
function getTextShare(row: Row): number {
  return hashText(row).readUIntBE(16, 6) / 2 ** 48;
}

/**
 * Divides the rows of each label by this fraction, so that each is held out in its share: at least one row of a label that has two, and
 * never all.
 */
export async function divideRows(rows: AsyncIterable<Row>, fraction: number): Promise<HeldOutSplit> {
  const shares = new Map<string, number[]>();
  for await (const row of rows) {
    const label = getStratum(row);
    const known = shares.get(label);
    if (known === undefined) shares.set(label, [getTextShare(row)]);
    else known.push(getTextShare(row));
  }
  return Object.fromEntries([...shares].map(([label, of]) => [label, findThreshold(Float64Array.from(new Set(of)).sort(), fraction)]));
}

/** @param shares of the different texts, sorted */
function findThreshold(shares: Float64Array, fraction: number): number {
  const count = Math.min(shares.length - 1, Math.max(1, Math.round(shares.length * fraction)));
  return count <= 0 ? 0 : shares[count]!;
}

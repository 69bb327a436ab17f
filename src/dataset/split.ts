import { hash } from 'node:crypto';
import type { ClassificationRow } from './map-row.ts';

/**
 * Whether a row is one of the validation rows when `fraction` of the training data is to validate. The row alone decides, so that
 * adding, removing or moving rows changes the side of no other row, and equal rows are on one side.
 */
export function isValidationRow(row: ClassificationRow, fraction: number): boolean {
  return isBelowFraction(toRowHash(row), fraction);
}

/**
 * SHA-256 over the RFC 8785 JSON of the mapped columns. For well-formed strings under names in order, JSON.stringify writes just
 * that, many times faster than a walk over every character.
 */
export function toRowHash({ label, text, text2 }: ClassificationRow): Buffer {
  return hash('sha256', JSON.stringify({ label, text, text2 }), 'buffer');
}

/** The same over what the model reads: the row without its label. */
export function toTextHash({ text, text2 }: ClassificationRow): Buffer {
  return hash('sha256', JSON.stringify({ text, text2 }), 'buffer');
}

/** The first 32 bits, big endian, as a share of 2^32. */
export function isBelowFraction(rowHash: Buffer, fraction: number): boolean {
  return rowHash.readUInt32BE(0) / 2 ** 32 < fraction;
}

import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { ClassificationRow } from './map-row.ts';

/**
 * Whether a row is one of the validation rows when `fraction` of the training data is to validate. The row alone decides, so that
 * adding, removing or moving rows changes the side of no other row, and equal rows are on one side.
 */
export function isValidationRow(row: ClassificationRow, fraction: number): boolean {
  return isBelowFraction(toRowHash(row), fraction);
}

/** SHA-256 over the RFC 8785 JSON of the mapped columns. */
export function toRowHash({ text, text2, label }: ClassificationRow): Buffer {
  return toHash({ text, text2, label });
}

/** The same over what the model reads: the row without its label. */
export function toTextHash({ text, text2 }: ClassificationRow): Buffer {
  return toHash({ text, text2 });
}

/** The first 32 bits, big endian, as a share of 2^32. */
export function isBelowFraction(rowHash: Buffer, fraction: number): boolean {
  return rowHash.readUInt32BE(0) / 2 ** 32 < fraction;
}

function toHash(columns: Readonly<Record<string, string | undefined>>): Buffer {
  return hash('sha256', canonicalize(columns)!, 'buffer');
}

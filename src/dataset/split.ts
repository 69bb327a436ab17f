import { hash } from 'node:crypto';
import { formatCanonicalJson } from '../lib/json.ts';
import { getPrompt } from './chat.ts';
import type { Row } from './row.ts';

/**
 * Whether a row is one of the validation rows when `fraction` of the training data validates. The row alone decides, so that
 * adding, removing or moving rows changes the side of no other row, and equal rows are on one side.
 */
export function isValidationRow(row: Row, fraction: number): boolean {
  return isBelowFraction(hashRow(row), fraction);
}

/** SHA-256 over the RFC 8785 JSON of the mapped columns. */
export function hashRow(row: Row): Buffer {
  return hash('sha256', formatRow(row), 'buffer');
}

function formatRow(row: Row): string {
  // For well-formed strings under names in order, JSON.stringify writes canonical JSON, many times faster than a walk over the value.
  if ('label' in row) return JSON.stringify({ label: row.label, text: row.text, text2: row.text2 });
  const { tools, parallel_tool_calls } = row;
  if ('messages' in row) return formatCanonicalJson({ messages: row.messages, tools, parallel_tool_calls });
  const { prompt, chosen, rejected } = row;
  return formatCanonicalJson({ prompt, chosen, rejected, tools, parallel_tool_calls });
}

/** The same over the model's input: the row without its label, the messages before the answer. */
export function hashText(row: Row): Buffer {
  return hash(
    'sha256',
    'label' in row ? JSON.stringify({ text: row.text, text2: row.text2 }) : formatCanonicalJson(getPrompt(row)),
    'buffer',
  );
}

/** The first 32 bits, big endian, as a share of 2^32. */
export function isBelowFraction(rowHash: Buffer, fraction: number): boolean {
  return rowHash.readUInt32BE(0) / 2 ** 32 < fraction;
}

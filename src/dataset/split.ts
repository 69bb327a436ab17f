import { hash } from 'node:crypto';
import type { ClassificationRow, Row } from './row.ts';
import { toCanonicalJson } from '../lib/json.ts';
import { toPrompt } from './to-chat.ts';

/**
 * Whether a row is one of the validation rows when `fraction` of the training data is to validate. The row alone decides, so that
 * adding, removing or moving rows changes the side of no other row, and equal rows are on one side.
 */
export function isValidationRow(row: Row, fraction: number): boolean {
  return isBelowFraction(toRowHash(row), fraction);
}

/** SHA-256 over the RFC 8785 JSON of the mapped columns. */
export function toRowHash(row: Row): Buffer {
  return hash('sha256', 'label' in row ? toClassificationJson(row) : toConversationJson(row), 'buffer');
}

/** For well-formed strings under names in order, JSON.stringify writes just that, many times faster than a walk over every character. */
function toClassificationJson({ label, text, text2 }: ClassificationRow): string {
  return JSON.stringify({ label, text, text2 });
}

function toConversationJson(row: Exclude<Row, ClassificationRow>): string {
  const { tools, parallel_tool_calls } = row;
  if ('messages' in row) return toCanonicalJson({ messages: row.messages, tools, parallel_tool_calls });
  const { prompt, chosen, rejected } = row;
  return toCanonicalJson({ prompt, chosen, rejected, tools, parallel_tool_calls });
}

/** The same over what the model reads: the row without its label, the messages before the answer. */
export function toTextHash(row: Row): Buffer {
  return hash('sha256', 'label' in row ? JSON.stringify({ text: row.text, text2: row.text2 }) : toCanonicalJson(toPrompt(row)), 'buffer');
}

/** The first 32 bits, big endian, as a share of 2^32. */
export function isBelowFraction(rowHash: Buffer, fraction: number): boolean {
  return rowHash.readUInt32BE(0) / 2 ** 32 < fraction;
}

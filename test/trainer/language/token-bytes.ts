import { readFileSync } from 'node:fs';

/** The bytes that tiny-llama's tokens write; null for its special ones. */
export function readTinyLlama(): (Uint8Array | null)[] {
  const { model } = JSON.parse(readFileSync('fixtures/models/tiny-llama/tokenizer.json', 'utf8')) as { model: { vocab: object } };
  return Object.keys(model.vocab).map((token) => {
    const byte = /^<0x(..)>$/.exec(token);
    if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
    return /^<.+>$/.test(token) ? null : new TextEncoder().encode(token.replaceAll('▁', ' '));
  });
}

/** A vocabulary in which each byte is a token, with its own number. */
export const byteTokens: Uint8Array[] = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

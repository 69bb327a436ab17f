/** A word with the space before it, in pieces of at most 12 letters, or a run of other signs. */
const piece = /\s?[\p{L}\p{N}]{1,12}|\s?[^\s\p{L}\p{N}]{1,4}|\s+/gu;

/** A stand-in for a tokenizer: the pieces of a text; joined, they are the text. */
export function toTokens(text: string): string[] {
  return text.match(piece) ?? [];
}

export function countTokens(text: string): number {
  return toTokens(text).length;
}

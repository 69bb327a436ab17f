/** Counts tokens as a model does. Providers open counters by the names of their models. */
export interface TokenCounter {
  /** What counts, for the reader: `o200k_base of gpt-4.1-mini`, or a folder. */
  readonly name: string;
  /** Tokens of a text, without the special ones around it. */
  countText(text: string): number;
  /** Tokens of an input, or a pair, with the special ones that the model reads around it. */
  countInput(text: string, text2: string | undefined): number;
}

/** Tokens of texts together. */
export function countTokens({ countText }: TokenCounter, texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + countText(text), 0);
}

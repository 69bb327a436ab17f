/** Tokenizers of language models beside the reference library: ids, places, texts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseChatTemplate } from '../../src/dataset/chat-template.ts';
import type { ChatMessage } from '../../src/dataset/row.ts';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, 'parity', name), 'utf8'));

interface Encoded {
  readonly ids: readonly number[];
  /** Without the tokens that are put around a text. */
  readonly bare: readonly number[];
  /** Start and end of each of them, in code points. */
  readonly offsets: readonly number[];
  readonly decoded: string;
}

interface Decoded {
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly whole: string;
}

type Golden = Readonly<Record<string, unknown>> & { readonly texts: readonly string[] };
const golden = readJson('tokenizers.json') as Golden;

/** The UTF-16 unit at which each code point begins. */
function listUnits(text: string): number[] {
  const units = [0];
  for (const character of text) units.push(units.at(-1)! + character.length);
  return units;
}

/** The reference decodes a token that was added with letters beyond ASCII as if these stood for bytes. */
const foreignToken = '\u00e9te';

/** The library finds a token inside a word that may only be a word of its own. */
const wordInside = 'xonex';

describe.each(['gpt2', 'qwen2', 'llama3', 'metaspace'])('a tokenizer as %s has it', (name) => {
  const tokenizer = readTokenizer(join(fixtures, 'parity/tokenizers', name));
  const cases = golden[name] as readonly Encoded[];
  const foreign = tokenizer.findToken(foreignToken);
  const hasForeign = (ids: readonly number[]): boolean => foreign !== null && ids.includes(foreign);

  test.each(golden.texts.map((text, i) => [text, cases[i]!] as const))('%j', (text, { ids, bare, offsets, decoded }) => {
    const front = ids.slice(0, ids.length - bare.length);
    expect(tokenizer.encodeSpans({ text, learned: [] }, 1000).ids).toEqual(bare[0] === front[0] ? bare : ids);
    expect(tokenizer.encodeSpans({ text, learned: [], hasBegin: true }, 1000).ids).toEqual(bare);
    const tokens = tokenizer.locate(text);
    expect(tokens.map(({ id }) => id)).toEqual(bare);
    const units = listUnits(text);
    expect(tokens.flatMap(({ span }) => span)).toEqual(offsets.map((offset) => units[offset]));
    expect(tokenizer.decode(ids)).toBe(hasForeign(ids) ? text.normalize('NFC') : decoded);
  });

  test('the library itself finds the same tokens', () => {
    const texts = golden.texts.filter((text) => !text.includes(wordInside));
    const expected = cases.filter((_, i) => texts.includes(golden.texts[i]!)).map(({ ids }) => ids);
    expect(texts.map((text) => tokenizer.encode(text, undefined, 1000).ids)).toEqual(expected);
  });

  test('what any tokens mean, at once and one by one', () => {
    for (const { ids, decoded, whole } of golden[`${name} of ids`] as readonly Decoded[]) {
      if (hasForeign(ids)) continue;
      expect(tokenizer.decode(ids)).toBe(decoded);
      expect(tokenizer.decode(ids, { keepsSpecial: true })).toBe(whole);
      const stream = tokenizer.createStream();
      const parts = ids.map((id) => stream.push(id));
      expect(parts.join('') + stream.end()).toBe(decoded);
      expect(parts.join('')).toBe(decoded.slice(0, parts.join('').length));
    }
  });
});

interface Masked {
  readonly template: string;
  readonly ids: readonly number[];
  readonly mask: readonly number[];
}

describe.each(['gpt2', 'qwen2', 'llama3', 'metaspace'])('what a conversation teaches with %s', (name) => {
  const tokenizer = readTokenizer(join(fixtures, 'parity/tokenizers', name));

  test.each(golden[`${name} masks`] as readonly Masked[])('$template', ({ template, ids, mask }) => {
    const messages = golden['conversation'] as readonly ChatMessage[];
    const rendered = parseChatTemplate({ template, specialTokens: {}, path: name }, () => new Date()).render({ messages });
    const { ids: found, learned } = tokenizer.encodeSpans({ text: rendered.text, learned: rendered.generated! }, 1000);
    const front = found.length - ids.length; // transformers puts nothing in front of a conversation
    expect(found.slice(front)).toEqual(ids);
    expect(learned.slice(front).map(Number)).toEqual(mask);
  });
});

interface LlamaGolden {
  readonly cases: readonly { text: string; ids: number[]; ids_without_special: number[]; decoded: string }[];
  readonly offsets: readonly { text: string; ids: number[]; offsets_in_code_points: [number, number][] }[];
}

describe('the tokenizer of tiny-llama', () => {
  const tokenizer = readTokenizer(join(fixtures, 'models/tiny-llama'));
  const { cases, offsets } = readJson('tokenizer-tiny-llama.json') as LlamaGolden;

  test.each(cases)('$text', ({ text, ids, ids_without_special: bare, decoded }) => {
    expect(tokenizer.encode(text, undefined, 1000).ids).toEqual(ids);
    expect(tokenizer.locate(text).map(({ id }) => id)).toEqual(bare);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  test.each(offsets)('the places of $text', ({ text, offsets_in_code_points: places }) => {
    const units = listUnits(text);
    const expected = places.slice(1).map(([start, end]) => [units[start], units[end]]);
    expect(tokenizer.locate(text).map(({ span }) => span)).toEqual(expected);
  });
});

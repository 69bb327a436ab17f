import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTokenizer, type Tokenizer } from '../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../scratch.ts';

const tinyBert = join(import.meta.dirname, '../../fixtures/models/tiny-bert');
const tokenizer = readTokenizer(tinyBert);
const [cls, sep] = [2, 3];

test('special tokens stay when a text is cut', () => {
  const whole = tokenizer.encode('one two three four five', undefined, 64);
  expect(whole.truncated).toBe(false);
  expect([whole.ids[0], whole.ids.at(-1)]).toEqual([cls, sep]);
  const cut = tokenizer.encode('one two three four five', undefined, 4);
  expect(cut).toEqual({ ids: [cls, whole.ids[1], whole.ids[2], sep], typeIds: [0, 0, 0, 0], truncated: true });
  expect(tokenizer.encode('one two', undefined, 4).truncated).toBe(false);
  expect(() => tokenizer.encode('one', undefined, 1)).toThrow('maxLength 1 leaves no room');
});

test.each([
  [3, 5, 9, 3, 3],
  [5, 3, 9, 3, 3],
  [5, 1, 8, 4, 1],
  [5, 5, 8, 2, 3],
  [6, 5, 8, 3, 2],
  [2, 2, 64, 2, 2],
])('of a pair with %i and %i words, cut to %i tokens, %i and %i stay', (first, second, maxLength, firstKept, secondKept) => {
  const toText = (count: number): string => new Array<string>(count).fill('one').join(' ');
  const { ids, typeIds, truncated } = tokenizer.encode(toText(first), toText(second), maxLength);
  const kept = (type: number): number => typeIds.filter((id) => id === type).length;
  expect([kept(0) - 2, kept(1) - 1]).toEqual([firstKept, secondKept]);
  expect(ids.filter((id) => id === sep)).toHaveLength(2);
  expect(truncated).toBe(first + second > firstKept + secondKept);
});

test('an empty second text is none, and takes no room', () => {
  expect(tokenizer.encode('one', '', 64)).toEqual(tokenizer.encode('one', undefined, 64));
  expect(tokenizer.encode('one two', '', 4)).toMatchObject({ truncated: false, typeIds: [0, 0, 0, 0] });
});

test('ideographs beyond U+FFFF are words, and a capital sigma is small everywhere', () => {
  const encode = (text: string): readonly number[] => tokenizer.encode(text, undefined, 64).ids;
  expect(encode('\u{20000}\u{2a6d6}')).toEqual(encode('\u{20000} \u{2a6d6}'));
  expect(encode('\u03a3\u03a3')).toEqual(encode('\u03c3\u03c3'));
});

/** A byte-level BPE as Qwen and Llama 3 have it, which splits texts with a pattern of GPT-4's kind: a few merges on the 256 bytes. */
function buildByteLevel(digits: string, change: object, special: string): object {
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const others = range(0, 255).filter((byte) => !printable.includes(byte));
  const bytes = [...printable, ...others.map((_, i) => 256 + i)].sort((a, b) => a - b).map((code) => String.fromCodePoint(code));
  const merges = ['Ġ t', 'h e', 'Ġt he', 'a n', 'i n', 'Ġ w', 'Ġw a', '1 2', "' s"];
  const tokens = [...bytes, ...merges.map((merge) => merge.replace(' ', ''))];
  const Regex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
  const split = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
  return {
    added_tokens: [{ id: tokens.length, content: special, special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [split, { ...byteLevel, trim_offsets: true }] },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
    ...change,
  };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
const toText = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });
const begin = { SpecialToken: { id: '<|begin_of_text|>', type_id: 0 } };
const template = { type: 'TemplateProcessing', single: [begin, toText('A', 0)], pair: [begin, toText('A', 0), begin, toText('B', 1)] };

const likeQwen = buildByteLevel('\\p{N}', { normalizer: { type: 'NFC' }, post_processor: byteLevel }, '<|endoftext|>');
const likeLlama = buildByteLevel(
  '\\p{N}{1,3}',
  { post_processor: { type: 'Sequence', processors: [byteLevel, template] } },
  '<|begin_of_text|>',
);

function openDefinition(definition: object): Tokenizer {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(definition));
  return readTokenizer(folder);
}

// The ids are those of the Rust library that Hugging Face's models are trained with.
const man = [40, 83, 264, 258, 220, 76, 259, 11, 220];
const koeln = [256, 72, 76, 68, 82, 198, 198, 220, 220, 260, 220, 42, 127, 114, 75, 77, 0];
test.each([
  ['Qwen', likeQwen, "It's the man, 1234 times\n\n  in Köln!", [...man, 16, 17, 18, 19, ...koeln]],
  ['Qwen', likeQwen, "é e\u0301 THEY'LL", [127, 102, 220, 127, 102, 220, 51, 39, 36, 56, 6, 43, 43]],
  ['Llama 3', likeLlama, "It's the man, 1234 times\n\n  in Köln!", [265, ...man, 263, 18, 19, ...koeln]],
  ['Llama 3', likeLlama, "é e\u0301 THEY'LL", [265, 127, 102, 220, 68, 136, 223, 220, 51, 39, 36, 56, 6, 43, 43]],
  ['Llama 3', likeLlama, '  two  spaces', [265, 220, 256, 86, 78, 220, 220, 82, 79, 64, 66, 68, 82]],
])('a tokenizer like that of %s reads a text as its model does: %#', (_name, definition, text, ids) => {
  expect(openDefinition(definition).encode(text, undefined, 100).ids).toEqual(ids);
});

test('a pair without a template is one text after the other', () => {
  const { ids, typeIds } = openDefinition(likeQwen).encode('the man', 'was in', 100);
  expect(ids).toEqual([83, 257, 220, 76, 259, 86, 64, 82, 220, 260]);
  expect(typeIds).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  expect(
    openDefinition(likeLlama)
      .encode('the man', 'was in', 100)
      .ids.filter((id) => id === 265),
  ).toHaveLength(2);
});

const tinyDefinition = JSON.parse(readFileSync(join(tinyBert, 'tokenizer.json'), 'utf8')) as Record<string, object>;
const toLong = (length: number): string => 'a'.repeat(length);
const changeVocabulary = (entries: object): object => {
  const { vocab } = tinyDefinition['model'] as { vocab: object };
  return { ...tinyDefinition, model: { ...tinyDefinition['model'], vocab: { ...vocab, ...entries } } };
};

test.each<[string, string, string]>([
  ['not JSON', '{"model":', 'tokenizer is not valid JSON'],
  ['a list', '[]', 'tokenizer must hold a JSON object'],
  ['nested', `{"normalizer":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'nested more than 64 levels deep'],
  ['empty', '{}', 'model.vocab: expected the tokens of the model, found nothing'],
  ['without a kind of model', JSON.stringify({ ...tinyDefinition, model: { vocab: {} } }), 'has no number in the vocabulary'],
  ['of an unknown model', JSON.stringify({ ...tinyDefinition, model: { type: 'Odd', vocab: {} } }), 'has no number in the vocabulary'],
  ['of an unknown step', JSON.stringify({ ...tinyDefinition, normalizer: { type: 'Odd' } }), 'the tokenizer cannot be used'],
  ['with a broken pattern', JSON.stringify({ ...likeQwen, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' } } }), 'cannot be used'],
  ['with a number for a list', JSON.stringify({ ...tinyDefinition, added_tokens: 3 }), 'the tokenizer cannot be used'],
  ['with an endless token', JSON.stringify(changeVocabulary({ [toLong(1001)]: 9 })), 'expected tokens of at most 1000 characters'],
  ['with an endless added token', JSON.stringify({ ...tinyDefinition, added_tokens: [{ id: 1, content: toLong(5000) }] }), 'at most 1000'],
  ['with a text as id', JSON.stringify(changeVocabulary({ one: '7' })), 'the token "one" has no number in the vocabulary'],
  ['with an id below 0', JSON.stringify(changeVocabulary({ one: -1 })), 'the token "one" has no number in the vocabulary'],
  [
    'with a template that doubles',
    JSON.stringify({ ...likeLlama, post_processor: { ...template, single: [toText('A', 0), toText('A', 0)] } }),
    'expected a template that puts each text in once',
  ],
  ['with types of no kind', JSON.stringify({ ...likeLlama, post_processor: { ...template, single: [toText('A', NaN)] } }), 'a template'],
])('a tokenizer.json that is %s is refused with its name', (_what, text, message) => {
  const folder = createScratchFolder();
  const path = join(folder, 'tokenizer.json');
  writeFileSync(path, text);
  const use = (): unknown => readTokenizer(folder).encode('one two three four five six', undefined, 8);
  expect(use).toThrow(expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(message) as string }));
  expect(use).toThrow(path);
});

test('a tokenizer.json that would fill the memory is not read', () => {
  const folder = createScratchFolder();
  const path = join(folder, 'tokenizer.json');
  writeFileSync(path, '{');
  truncateSync(path, 2 ** 40);
  expect(() => readTokenizer(folder)).toThrow('tokenizer: expected at most 67108864 bytes');
  rmSync(path);
  expect(() => readTokenizer(folder)).toThrow('has neither a tokenizer.json nor a vocab.txt');
});

/** A tokenizer.json is a small program in a foreign file: it may neither run for ever nor make a text endless. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { createSmallModel } from './small-model.ts';
import { useModel } from './use-model.ts';

let folder: string;
beforeEach(() => {
  folder = createSmallModel();
});

const use = (text?: string): string | null => useModel(folder, text);

/** Changes tokenizer.json. */
function changeTokenizer(change: object): void {
  const path = join(folder, 'tokenizer.json');
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change }));
}

const evil = [
  '(a+)+$',
  '(a|a)*$',
  '(.*a){20}',
  '(?=(a+))\\1+b',
  'a*a*a*a*a*b',
  '\\s+$',
  '(?i:(a+)+)b',
  '[a-z]+[a-z]+[a-z]+1',
  '^',
  '\\b',
  '(',
  '[',
  '[a&&[^b]]',
  '',
];

test.each(evil)('the regular expression %j is refused wherever it stands', (Regex) => {
  const steps = { normalizer: ['Replace'], pre_tokenizer: ['Split', 'Replace'], decoder: ['Replace'] };
  for (const [field, types] of Object.entries(steps)) {
    for (const type of types) {
      const original = readFileSync(join(folder, 'tokenizer.json'));
      changeTokenizer({
        [field]: {
          type: 'Sequence',
          normalizers: [],
          pretokenizers: [],
          decoders: [],
          [toList(field)]: [{ type, pattern: { Regex }, content: '' }],
        },
      });
      expect(use('a'.repeat(10_000))).toContain('expected a text, or a regular expression of one character or class');
      writeFileSync(join(folder, 'tokenizer.json'), original);
    }
  }
});

function toList(field: string): string {
  return { normalizer: 'normalizers', pre_tokenizer: 'pretokenizers', decoder: 'decoders' }[field]!;
}

test.each([' {2,}', '\\s+', '\\p{L}', '[^\\s\\p{L}]+', '[0-9]', '.', 'é', '\\.{1,3}'])(
  'the regular expression %j takes time in proportion',
  (Regex) => {
    changeTokenizer({
      normalizer: { type: 'Replace', pattern: { Regex }, content: ' ' },
      pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Removed', invert: false },
    });
    for (const text of [' ', 'a', 'a ', '. a']) expect(use(text.repeat(20_000))).toBeNull();
  },
);

const replace = (text: string, content: string): object => ({ type: 'Replace', pattern: { String: text }, content });

test.each<[string, object]>([
  ['doubled 40 times', { normalizer: { type: 'Sequence', normalizers: new Array(30).fill(replace('a', 'aa')) } }],
  ['replaced by a book', { normalizer: replace('a', 'b'.repeat(10_000)) }],
  ['prepended with a book', { normalizer: { type: 'Prepend', prepend: 'b'.repeat(10_000) } }],
  ['spaces that become a book', { pre_tokenizer: { type: 'Metaspace', replacement: 'b'.repeat(10_000) } }],
  ['bytes of bytes of bytes', { pre_tokenizer: { type: 'Sequence', pretokenizers: new Array(20).fill({ type: 'ByteLevel' }) } }],
  ['cut into pieces of nothing', { pre_tokenizer: { type: 'FixedLength', length: 0 } }],
  ['doubled while decoding', { decoder: { type: 'Sequence', decoders: new Array(30).fill({ type: 'BPEDecoder', suffix: '' }) } }],
  ['put into the template twice', { post_processor: toTemplate(['A', 'A'], ['A', 'B']) }],
  ['a pair with one text', { post_processor: toTemplate(['A'], ['A']) }],
  ['a pair with three texts', { post_processor: toTemplate(['A'], ['A', 'B', 'B']) }],
])('a text that is %s is refused', (_what, change) => {
  changeTokenizer(change);
  expect(use('é a'.repeat(1000))).toContain('expected');
});

function toTemplate(single: readonly string[], pair: readonly string[]): object {
  const toItems = (texts: readonly string[]): object[] => texts.map((id) => ({ Sequence: { id, type_id: 0 } }));
  return { type: 'TemplateProcessing', single: toItems(single), pair: toItems(pair), special_tokens: {} };
}

test('steps within steps within steps are refused', () => {
  const path = join(folder, 'tokenizer.json');
  const text = readFileSync(path, 'utf8');
  const nested = '{"type":"Sequence","normalizers":['.repeat(20_000) + ']}'.repeat(20_000);
  writeFileSync(path, text.replace('"normalizer":{', `"normalizer":${nested},"was":{`));
  expect(use()).toContain('nested more than 64 levels deep');
});

test.each<[string, unknown]>([
  ['an id that no table has', 2 ** 31],
  ['an id that is no number', '1'],
  ['a negative id', -1],
  ['half an id', 0.5],
])('a vocabulary with %s is refused', (_what, id) => {
  const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as { model: { vocab: object } };
  changeTokenizer({ model: { ...model, vocab: { ...model.vocab, odd: id } } });
  expect(use()).toContain('model.vocab "odd": expected an id');
});

import { expect, test } from 'vitest';
import { isSecret, maskSecrets } from '../../src/import/mask-secrets.ts';
import { openSource, readFlag, readNumber, readText } from '../../src/import/source.ts';

const context = { file: 'f' };

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
}

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

test.each([
  ['a list', [], 'f: expected an object of settings, found an empty list'],
  ['a text', 'x', 'f: expected an object of settings, found "x"'],
  ['nothing', undefined, 'f: expected an object of settings, found nothing'],
  ['too many levels', nest(100_000), 'expected plain values of JSON, found a circle or too many levels'],
  ['a circle', cycle, 'expected plain values of JSON, found a circle or too many levels'],
  ['a key that changes objects', JSON.parse('{"a": {"__proto__": 1}}'), 'f: expected every field written out, found "__proto__"'],
])('%s is no configuration', (_, content, message) => {
  expect(() => openSource(content, context)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }),
  );
});

test('what JSON cannot write becomes text', () => {
  expect(openSource({ a: [NaN, -Infinity, undefined], b: undefined }, context).get('')).toEqual({ a: ['NaN', '-Infinity', null] });
});

test.each([
  ['1e-5', 1e-5],
  ['.5', 0.5],
  ['-3.', -3],
  [7, 7],
  [null, undefined],
])('%j is the number %s', (value, number) => {
  expect(readNumber(openSource({ a: value }, context), ['a'])).toBe(number);
});

test.each(['', '1,5', '0x10', '1e999', 'NaN', NaN, true, [1]])('%j is no number', (value) => {
  expect(() => readNumber(openSource({ a: value }, context), ['a'])).toThrow('f: a: expected a number, found');
});

test.each(['yes', 'On', 'TRUE', true])('%j is true', (value) => {
  expect(readFlag(openSource({ a: value }, context), ['a'])).toBe(true);
});

test.each(['no', 'off', 'False', false])('%j is false', (value) => {
  expect(readFlag(openSource({ a: value }, context), ['a'])).toBe(false);
});

test.each([
  [' ', 'expected a text'],
  [1, 'expected a text'],
  ['x'.repeat(1001), 'expected at most 1000 characters'],
  ['a\tb', 'expected at most 1000 characters on one line'],
  ['a\u2028b', 'expected at most 1000 characters on one line'],
  ['\ud800', 'expected at most 1000 characters on one line'],
  ['hf_abcdefghijklmnop', 'expected a name or path, not a credential, found "(hidden)"'],
])('%.20j is no text that is taken over', (value, message) => {
  expect(() => readText(openSource({ a: value }, context), ['a'])).toThrow(message);
});

test.each([
  ['x', 'token'],
  ['x', 'hub_token'],
  ['x', 'hf_api_token'],
  ['x', 'wandb_api_key'],
  ['x', 'client-secret'],
  ['x', 'apiKey'],
  ['hf_abcdefghijklmnop', 'name'],
  ['see sk-proj-abcdefghijklm', 'note'],
  ['https://user:pass@example.org/x', 'url'],
  ['Authorization: Bearer abcdefgh', 'headers'],
])('%s in %s is a secret', (value, name) => {
  expect(isSecret(value, name)).toBe(true);
});

test.each([
  ['<|im_end|>', 'eos_token'],
  ['<pad>', 'pad_token'],
  ['${HF_TOKEN}', 'token'],
  ['', 'token'],
  ['hf_output_repo_name', 'key'],
  ['tokenizer', 'chat_template'],
  ['https://example.org/a:b@c', 'url'],
  [true, 'add_eos_token'],
])('%s in %s is none', (value, name) => {
  expect(isSecret(value, name)).toBe(false);
});

test('secrets are masked everywhere', () => {
  const value = { a: [{ token: 'x', other: 1 }], sk_abcdefghijklmnop: null, text: 'hf_abcdefghijklmnop' };
  expect(maskSecrets(value, 'model_init_kwargs')).toEqual({ a: [{ token: '(hidden)', other: 1 }], '(hidden)': null, text: '(hidden)' });
});

import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createRedactor, Secret } from '../../src/lib/redact.ts';

const odd = 'pa/ss+w"ord é\\1?&=';

test('a secret shows itself to nobody but who reveals it', () => {
  const secret = new Secret(odd);
  const texts = [String(secret), JSON.stringify({ secret }), inspect(secret), inspect({ secret }, { depth: 9, showHidden: true })];
  expect(texts).toEqual(['[secret]', '{"secret":"[secret]"}', '[secret]', '{ secret: [secret] }']);
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe(odd);
});

test.each([
  ['as it is', odd],
  ['in JSON', JSON.stringify({ key: odd })],
  ['in an address', encodeURIComponent(odd)],
  ['in an address, in small letters', encodeURIComponent(odd).replaceAll(/%../g, (hex) => hex.toLowerCase())],
  ['in a form', new URLSearchParams({ key: odd }).toString()],
  ...['', 'u', 'us', 'usr', 'user:'].map((user) => [`in base64 after "${user}"`, Buffer.from(`${user}${odd}`).toString('base64')]),
  ['in base64 for addresses', Buffer.from(`~~${odd}~`).toString('base64url')],
])('a secret is masked %s', (_form, text) => {
  const masked = createRedactor([new Secret(odd)])(`before ${text} after`);
  expect(masked).toMatch(/^before .*\[secret\].* after$/);
  expect(masked.length).toBeLessThan(`before ${text} after`.length);
  expect(masked).not.toContain(odd);
  const left = masked
    .replace(/^before /, '')
    .replace(/ after$/, '')
    .replaceAll('[secret]', '');
  expect(Buffer.from(left, 'base64').toString()).not.toMatch(/ss\+w/);
  expect(left.length).toBeLessThan(14); // names of fields, and at most two characters of base64 at each end
});

test.each([
  ['Authorization: Bearer abcdef123456.x', 'Authorization: Bearer [secret]'],
  ['basic dXNlcjpwYXNzd29yZA==', 'basic [secret]'],
  ['Incorrect API key: sk-abcdefgh12345678.', 'Incorrect API key: [secret].'],
  ['key sk-proj-Ab3_xyz-0123456789abcdef', 'key [secret]'],
  ['Incorrect API key: sk-proj-********************x7Qw', 'Incorrect API key: [secret]'],
  ['hf_AbCdEfGhIjKlMnOp', '[secret]'],
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '[secret]'],
  ['AKIAIOSFODNN7EXAMPLE', '[secret]'],
  ['jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP', 'jwt [secret]'],
  ['https://s3.example/x?X-Amz-Signature=0a1b2c&part=1', 'https://s3.example/x?X-Amz-Signature=[secret]&part=1'],
  ['http://user:password@proxy.example:3128', 'http://[secret]@proxy.example:3128'],
])('what looks like a credential is masked: %s', (text, masked) => {
  expect(createRedactor([])(text)).toBe(masked);
});

test.each([
  'a task-specific-classification-model',
  'sk-learn-classification-tutorial',
  'shf_1',
  'see https://example.org:8080/a@b',
  'bearer of news',
])('ordinary text stays: %s', (text) => {
  expect(createRedactor([])(text)).toBe(text);
});

test('empty and very short secrets mask nothing', () => {
  expect(createRedactor([new Secret(''), new Secret('a')])('a plain banana')).toBe('a plain banana');
});

test('a long text takes no time', () => {
  const started = performance.now();
  for (const text of ['sk-', 'eyJ', '//', '?token', 'Bearer ', '&x-token-', 'eyJ-', 'sk-0', 'whsec_-', '//a:'].map((part) =>
    part.repeat(50_000),
  )) {
    createRedactor([new Secret(odd)])(text);
  }
  expect(performance.now() - started).toBeLessThan(20_000); // with the square of the length it would be many minutes
});

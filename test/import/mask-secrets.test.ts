import { expect, test } from 'vitest';
import { isSecret, maskSecrets } from '../../src/import/mask-secrets.ts';

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

test('secrets are masked wherever they stand', () => {
  const value = { a: [{ token: 'x', other: 1 }], sk_abcdefghijklmnop: null, text: 'hf_abcdefghijklmnop' };
  expect(maskSecrets(value, 'model_init_kwargs')).toEqual({ a: [{ token: '(hidden)', other: 1 }], '(hidden)': null, text: '(hidden)' });
});

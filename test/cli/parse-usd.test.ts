import { expect, test } from 'vitest';
import { parseUsd } from '../../src/cli/parse-usd.ts';

test.each([
  ['5', 5],
  ['0.25', 0.25],
  ['.5', 0.5],
  ['$3', 3],
  ['0', 0],
  [undefined, undefined],
])('%s is %s', (text, usd) => {
  expect(parseUsd('--max-usd', text)).toBe(usd);
});

test.each(['', '-1', '1e3', '5 USD', 'much', 'Infinity', '1,5', '5\u001b[2J'])('"%s" is no amount', (text) => {
  expect(() => parseUsd('--max-usd', text)).toThrow(expect.objectContaining({ code: 'usage' }));
});

import { expect, test } from 'vitest';
import { toRequestDeadline } from '../../../src/provider-kit/http.ts';

function read(text: string | null): { deadlineMs?: number } {
  return toRequestDeadline({ setting: (name) => (name === 'ORCHESTRATE_REQUEST_SECONDS' ? text : null) });
}

test.each([
  [null, {}],
  ['2', { deadlineMs: 2000 }],
  ['0.25', { deadlineMs: 250 }],
])('%j seconds are %o', (text, deadline) => {
  expect(read(text)).toEqual(deadline);
});

test.each(['0', '-1', 'soon', 'Infinity', '1s'])('%j is no number of seconds', (text) => {
  expect(() => read(text)).toThrow(`ORCHESTRATE_REQUEST_SECONDS: expected a number of seconds above 0, found "${text}"`);
});

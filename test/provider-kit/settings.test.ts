import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Secret } from '../../src/provider-kit/http.ts';
import { getSecrets, parseBaseUrl, parseOptions, parseRequestDeadline, readCredential } from '../../src/provider-kit/settings.ts';

function read(text: string | null): { deadlineMs?: number } {
  return parseRequestDeadline({ setting: (name) => (name === 'ORCHESTRATE_REQUEST_SECONDS' ? text : null) });
}

test.each([
  [null, {}],
  ['2', { deadlineMs: 2000 }],
  ['0.25', { deadlineMs: 250 }],
])('%j seconds are %o', (text, deadline) => {
  expect(read(text)).toEqual(deadline);
});

test.each(['0', '-1', 'soon', 'Infinity', '1s'])('%j is refused as a number of seconds', (text) => {
  expect(() => read(text)).toThrow(`ORCHESTRATE_REQUEST_SECONDS: expected a number of seconds above 0, found "${text}"`);
});

test.each([
  ['https://api.example/v1', 'https://api.example/v1'],
  ['http://127.0.0.1:8080//', 'http://127.0.0.1:8080'],
])('%s is the base URL %s', (text, baseUrl) => {
  expect(parseBaseUrl(text, 'X_URL')).toBe(baseUrl);
});

test.each([
  '',
  'api.example',
  'ftp://api.example',
  'https://me:pass-word@api.example',
  'https://api.example?key=pass-word',
  'https://a/#b',
])('%s is refused as a base URL, and not repeated', (text) => {
  const parse = () => parseBaseUrl(text, 'X_URL', 'https://x.example');
  expect(parse).toThrow(/^X_URL: expected an address such as https:\/\/x\.example, found something else$/);
});

test('of several credentials the first is taken, and all are masked', () => {
  const context = { credential: (name: string) => (name === 'A' ? null : new Secret(`secret of ${name}`)) } as unknown as Context;
  const { name, secret } = readCredential(context, ['A', 'B', 'C'], 'make one');
  expect([name, secret.reveal()]).toEqual(['B', 'secret of B']);
  expect(() => readCredential(context, ['A'], 'make one')).toThrow(
    expect.objectContaining({ code: 'credentials-invalid', message: 'A: expected a credential, found none', hint: 'make one' }) as Error,
  );
  expect(getSecrets(context, ['A', 'B', 'C']).map((found) => found.reveal())).toEqual(['secret of B', 'secret of C']);
});

test('options are checked with every problem at once', () => {
  const schema = z.strictObject({ size: z.number().optional(), name: z.string().optional() });
  expect(parseOptions(schema, 'big', { size: 3 })).toEqual({ size: 3 });
  expect(() => parseOptions(schema, 'big', { size: 'x', name: 1 })).toThrow(
    /^targets\.big\.options\.size: .*\ntargets\.big\.options\.name: /,
  );
});

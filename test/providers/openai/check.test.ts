import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { check } from '../../../providers/openai/check.ts';
import { canaryKey, createSandboxFixture } from './fixture.ts';

test.each(['openai', 'azure'] as const)('%s: a key that works', async (dialect) => {
  await using fixture = await createSandboxFixture({ dialect });
  const context = fixture.toAttempt();
  const found = expect.stringContaining(`the key works at ${fixture.dialect.getBaseUrl(context)}`) as string;
  expect(await check(fixture.dialect, context)).toEqual([{ name: fixture.dialect.name, ok: true, found, hint: null }]);
  expect(fixture.sandbox.account(canaryKey).bill).toEqual([]);
});

test('a key that does not work, and is not shown', async () => {
  const key = 'sk-wrong-key-0123456789';
  await using fixture = await createSandboxFixture({ environment: { OPENAI_API_KEY: key } });
  const checks = await check(fixture.dialect, fixture.toAttempt());
  expect(checks).toMatchObject([
    { ok: false, found: expect.stringContaining('401') as string, hint: expect.stringContaining('key') as string },
  ]);
  expect(inspect(checks)).not.toContain(key);
});

test.each([
  ['openai', { OPENAI_API_KEY: null }, 'not set up: OPENAI_API_KEY not set'],
  ['azure', { AZURE_OPENAI_API_KEY: null }, 'not set up: AZURE_OPENAI_API_KEY and AZURE_OPENAI_AD_TOKEN not set'],
] as const)('%s without a key is not set up, which is no fault, and nothing is asked', async (dialect, environment, found) => {
  await using fixture = await createSandboxFixture({ dialect, environment });
  expect(await check(fixture.dialect, fixture.toAttempt())).toEqual([{ name: fixture.dialect.name, ok: true, found, hint: null }]);
  expect(fixture.sandbox.account(canaryKey).requests).toEqual([]);
});

test('a key without an endpoint is a fault', async () => {
  await using fixture = await createSandboxFixture({ dialect: 'azure', environment: { AZURE_OPENAI_ENDPOINT: null } });
  expect(await check(fixture.dialect, fixture.toAttempt())).toMatchObject([
    { ok: false, found: expect.stringContaining('AZURE_OPENAI_ENDPOINT') as string },
  ]);
});

test('a page of a proxy is not taken for the service', async () => {
  await using fixture = await createSandboxFixture();
  fixture.sandbox.setFaults({ models: [{ type: 'html' }] }, canaryKey);
  expect(await check(fixture.dialect, fixture.toAttempt())).toMatchObject([{ ok: false }]);
});

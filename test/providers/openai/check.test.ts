import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { check } from '../../../providers/openai/check.ts';
import { canaryKey, createSandboxWorld } from './fixture.ts';

test.each(['openai', 'azure'] as const)('%s: a key that works', async (dialect) => {
  await using world = await createSandboxWorld({ dialect });
  const c = world.toAttempt();
  const found = expect.stringContaining(`the key works at ${world.dialect.toPlace(c)}`) as string;
  expect(await check(world.dialect, c)).toEqual([{ name: world.dialect.name, ok: true, found, hint: null }]);
  expect(world.sandbox.account(canaryKey).bill).toEqual([]);
});

test('a key that does not work, and is not shown', async () => {
  const key = 'sk-wrong-key-0123456789';
  await using world = await createSandboxWorld({ environment: { OPENAI_API_KEY: key } });
  const checks = await check(world.dialect, world.toAttempt());
  expect(checks).toMatchObject([
    { ok: false, found: expect.stringContaining('401') as string, hint: expect.stringContaining('key') as string },
  ]);
  expect(inspect(checks)).not.toContain(key);
});

test.each([
  ['openai', { OPENAI_API_KEY: null }, 'not set up: OPENAI_API_KEY not set'],
  ['azure', { AZURE_OPENAI_API_KEY: null }, 'not set up: AZURE_OPENAI_API_KEY and AZURE_OPENAI_AD_TOKEN not set'],
] as const)('%s without a key is not set up, which is no fault, and nothing is asked', async (dialect, environment, found) => {
  await using world = await createSandboxWorld({ dialect, environment });
  expect(await check(world.dialect, world.toAttempt())).toEqual([{ name: world.dialect.name, ok: true, found, hint: null }]);
  expect(world.sandbox.account(canaryKey).requests).toEqual([]);
});

test('a key without an endpoint is a fault', async () => {
  await using world = await createSandboxWorld({ dialect: 'azure', environment: { AZURE_OPENAI_ENDPOINT: null } });
  expect(await check(world.dialect, world.toAttempt())).toMatchObject([
    { ok: false, found: expect.stringContaining('AZURE_OPENAI_ENDPOINT') as string },
  ]);
});

test('a page of a proxy is not taken for the service', async () => {
  await using world = await createSandboxWorld();
  world.sandbox.setFaults({ models: [{ type: 'html' }] }, canaryKey);
  expect(await check(world.dialect, world.toAttempt())).toMatchObject([{ ok: false }]);
});

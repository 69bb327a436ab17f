import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { prepare } from '../../../providers/openai/prepare.ts';
import type { Prepared, Wire } from '../../../providers/openai/request.ts';
import { bind, create, discard, fence, find } from '../../../providers/openai/submit.ts';
import { translate } from '../../../providers/openai/translate.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { canaryKey, createSandboxWorld, key, toInput, type SandboxWorld } from './fixture.ts';

interface Ready {
  readonly prepared: Prepared;
  readonly wire: Wire;
  readonly c: Attempt;
}

async function makeReady(world: SandboxWorld, attempt = 1, runKey = key): Promise<Ready> {
  const c = world.toAttempt(runKey, attempt);
  const { request } = translate(world.dialect, toInput());
  const prepared = await prepare(world.dialect, request, c);
  return { prepared, wire: bind(request, prepared, runKey, attempt), c };
}

test.each(['openai', 'azure'] as const)('%s: a job is created once, and found by its key', async (dialect) => {
  await using world = await createSandboxWorld({ dialect });
  const { prepared, wire, c } = await makeReady(world);
  const job = await create(world.dialect, wire, c);
  expect(job).toMatchObject({ provider: dialect, place: world.dialect.toPlace(c), attempt: 1, url: null });
  expect(Date.parse(job.createdAt)).toBeLessThanOrEqual(c.now().getTime());
  expect(Date.parse(job.createdAt)).toBeGreaterThan(c.now().getTime() - 60_000);
  expect(await find(world.dialect, [prepared], c)).toEqual([job]);
  expect(await find(world.dialect, [], world.toAttempt('z'.repeat(32)))).toEqual([]);
  const account = world.sandbox.account(canaryKey);
  expect(account.bill).toHaveLength(1);
  expect(account.violations).toEqual([]);
  expect(account.jobs[0]).toMatchObject({
    metadata: { orchestrate_key: key, orchestrate_attempt: '1' },
    training_file: prepared.trainingFile,
  });
});

test('a job among pages of others is found, whichever page it stands on', async () => {
  await using world = await createSandboxWorld({ pageSize: 2, settings: { noiseJobs: 5 } });
  const first = await makeReady(world);
  const job = await create(world.dialect, first.wire, first.c);
  for (let i = 0; i < 4; i++) {
    const { wire, c } = await makeReady(world, 1, `other${i}`);
    await create(world.dialect, wire, c);
  }
  expect(await find(world.dialect, [first.prepared], first.c)).toEqual([job]);
});

test.each([
  ['drop-before', 'unknown', 0],
  ['drop-after', 'unknown', 1],
  ['500-before', 'unknown', 0],
  ['500-after', 'unknown', 1],
  ['cut', 'unknown', 1],
  ['html', 'unknown', 1],
  ['html-before', 'unknown', 0],
  ['429', 'limited', 0],
] as const)('a create that ends with "%s" is %s, is sent once, and leaves %i jobs', async (type, sent, jobs) => {
  await using world = await createSandboxWorld();
  const { prepared, wire, c } = await makeReady(world);
  world.sandbox.setFaults({ create: [{ type }] }, canaryKey);
  const error = await create(world.dialect, wire, c).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubmitFailure);
  expect(error).toMatchObject({ sent });
  expect(world.sandbox.account(canaryKey).used.create).toBe(1);
  expect(await find(world.dialect, [prepared], c)).toHaveLength(jobs);
});

test.each([
  ['training_not_available', 'refused', 'training-unavailable', /local/],
  ['model_not_available', 'refused', 'model-unavailable', /gpt-4\.1-mini-2025-04-14/],
  ['insufficient_quota', 'refused', 'quota-exhausted', /credit/],
  ['invalid_api_key', 'refused', 'credentials-invalid', /key/],
  ['rate_limit_exceeded', 'limited', 'rate-limited', null],
  ['server_error', 'unknown', 'service-unavailable', null],
] as const)('a create that is refused with %s is %s: %s', async (refuse, sent, code, hint) => {
  await using world = await createSandboxWorld();
  const { wire, c } = await makeReady(world);
  world.sandbox.setSettings({ refuse }, canaryKey);
  const error = (await create(world.dialect, wire, c).catch((thrown: unknown) => thrown)) as SubmitFailure;
  expect(error).toMatchObject({ sent, failure: { code } });
  expect(error.failure.hint ?? '').toMatch(hint ?? /^$/);
  expect(world.sandbox.account(canaryKey).bill).toEqual([]);
});

test('after an abort nothing is sent', async () => {
  await using world = await createSandboxWorld();
  const { wire } = await makeReady(world);
  await expect(create(world.dialect, wire, world.toAttempt(key, 1, AbortSignal.abort()))).rejects.toMatchObject({ sent: 'no' });
  expect(world.sandbox.account(canaryKey).used.create).toBeUndefined();
});

test('without a key nothing is sent', async () => {
  await using world = await createSandboxWorld();
  const { wire } = await makeReady(world);
  const c: Attempt = { ...world.toAttempt(), credential: () => null };
  await expect(create(world.dialect, wire, c)).rejects.toMatchObject({ sent: 'no', failure: { code: 'credentials-invalid' } });
});

test.each(['html', 'html-before', 'cut', '500-after', 'drop-after'] as const)(
  'a list that ends with "%s" is no list without jobs',
  async (type) => {
    await using world = await createSandboxWorld();
    const { prepared, wire, c } = await makeReady(world);
    await create(world.dialect, wire, c);
    world.sandbox.setFaults({ list: Array.from({ length: 9 }, () => ({ type })) }, canaryKey);
    await expect(find(world.dialect, [prepared], c)).rejects.toThrow(/GET/);
  },
);

test.each(['openai', 'azure'] as const)('%s: a fenced attempt can no longer be created, the next one can', async (dialect) => {
  await using world = await createSandboxWorld({ dialect });
  const first = await makeReady(world);
  await fence(world.dialect, first.prepared, first.c);
  await fence(world.dialect, first.prepared, first.c);
  await expect(create(world.dialect, first.wire, first.c)).rejects.toMatchObject({ sent: 'refused' });
  const next = await makeReady(world, 2);
  expect(next.prepared.trainingFile).not.toBe(first.prepared.trainingFile);
  await expect(create(world.dialect, next.wire, next.c)).resolves.toMatchObject({ attempt: 2 });
});

test.each(['openai', 'azure'] as const)('%s: discard deletes what was uploaded, and may be repeated', async (dialect) => {
  const { facts } = toInput();
  await using world = await createSandboxWorld({ dialect, facts: { ...facts, validation: facts.train } });
  const { prepared, c } = await makeReady(world);
  expect(prepared.validationFile).not.toBe(null);
  expect(world.sandbox.account(canaryKey).files).toHaveLength(2);
  await discard(world.dialect, prepared, c);
  await discard(world.dialect, prepared, c);
  expect(world.sandbox.account(canaryKey).files).toEqual([]);
});

test('a fence that nobody answered for is not taken for one', async () => {
  await using world = await createSandboxWorld();
  const { prepared, c } = await makeReady(world);
  for (const type of ['html-before', 'drop-before', '500-before', '429'] as const) {
    world.sandbox.setFaults({ delete: [{ type }] }, canaryKey);
    await expect(fence(world.dialect, prepared, c)).rejects.toThrow(/DELETE/);
  }
  expect(world.sandbox.account(canaryKey).files).toHaveLength(1);
});

test('the key is in no error, no file and no answer', async () => {
  await using world = await createSandboxWorld();
  const { prepared, wire, c } = await makeReady(world);
  const told: unknown[] = [prepared, wire];
  const tell = async (call: Promise<unknown>): Promise<void> => void told.push(await call.catch((error: unknown) => error));
  for (const type of ['cut', 'html', '500-before', 'drop-before', '429'] as const) {
    const faults = [{ type }, { type }, { type }, { type }];
    world.sandbox.setFaults({ create: faults, list: faults, delete: faults, upload: faults, file: faults }, canaryKey);
    await tell(create(world.dialect, wire, c));
    await tell(find(world.dialect, [prepared], c));
    await tell(fence(world.dialect, prepared, c));
    await tell(makeReady(world));
  }
  const shown = inspect(told, { depth: Infinity, maxStringLength: Infinity, showHidden: true });
  expect(shown).not.toContain(canaryKey);
  expect(shown).not.toContain(Buffer.from(canaryKey).toString('base64').replace(/=+$/, ''));
  expect(readFileSync(join(c.workDir, 'train.jsonl'), 'utf8')).not.toContain(canaryKey);
});

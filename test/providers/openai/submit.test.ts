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
import { canaryKey, createSandboxFixture, key, toInput, type SandboxFixture } from './fixture.ts';

interface Ready {
  readonly prepared: Prepared;
  readonly wire: Wire;
  readonly context: Attempt;
}

async function makeReady(fixture: SandboxFixture, attempt = 1, runKey = key): Promise<Ready> {
  const context = fixture.toAttempt(runKey, attempt);
  const { request } = translate(fixture.dialect, toInput());
  const prepared = await prepare(fixture.dialect, request, context);
  return { prepared, wire: bind(request, prepared, runKey, attempt), context };
}

test.each(['openai', 'azure'] as const)('%s: a job is created once, and found by its key', async (dialect) => {
  await using fixture = await createSandboxFixture({ dialect });
  const { prepared, wire, context } = await makeReady(fixture);
  const job = await create(fixture.dialect, wire, context);
  expect(job).toMatchObject({ provider: dialect, location: fixture.dialect.getBaseUrl(context), attempt: 1, url: null });
  expect(Date.parse(job.createdAt)).toBeLessThanOrEqual(context.now().getTime());
  expect(Date.parse(job.createdAt)).toBeGreaterThan(context.now().getTime() - 60_000);
  expect(await find(fixture.dialect, [prepared], context)).toEqual([job]);
  expect(await find(fixture.dialect, [], fixture.toAttempt('z'.repeat(32)))).toEqual([]);
  const account = fixture.sandbox.account(canaryKey);
  expect(account.bill).toHaveLength(1);
  expect(account.violations).toEqual([]);
  expect(account.jobs[0]).toMatchObject({
    metadata: { orchestrate_key: key, orchestrate_attempt: '1' },
    training_file: prepared.trainingFile,
  });
});

test('a job among pages of others is found, whichever page it stands on', async () => {
  await using fixture = await createSandboxFixture({ pageSize: 2, settings: { otherJobs: 5 } });
  const first = await makeReady(fixture);
  const job = await create(fixture.dialect, first.wire, first.context);
  for (let i = 0; i < 4; i++) {
    const { wire, context } = await makeReady(fixture, 1, `other${i}`);
    await create(fixture.dialect, wire, context);
  }
  expect(await find(fixture.dialect, [first.prepared], first.context)).toEqual([job]);
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
  await using fixture = await createSandboxFixture();
  const { prepared, wire, context } = await makeReady(fixture);
  fixture.sandbox.setFaults({ create: [{ type }] }, canaryKey);
  const error = await create(fixture.dialect, wire, context).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubmitFailure);
  expect(error).toMatchObject({ sent });
  expect(fixture.sandbox.account(canaryKey).used.create).toBe(1);
  expect(await find(fixture.dialect, [prepared], context)).toHaveLength(jobs);
});

test.each([
  ['training_not_available', 'refused', 'training-unavailable', /local/],
  ['model_not_available', 'refused', 'model-unavailable', /gpt-4\.1-mini-2025-04-14/],
  ['insufficient_quota', 'refused', 'quota-exhausted', /credit/],
  ['invalid_api_key', 'refused', 'credentials-invalid', /key/],
  ['rate_limit_exceeded', 'limited', 'rate-limited', null],
  ['server_error', 'unknown', 'service-unavailable', null],
] as const)('a create that is refused with %s is %s: %s', async (refuse, sent, code, hint) => {
  await using fixture = await createSandboxFixture();
  const { wire, context } = await makeReady(fixture);
  fixture.sandbox.setSettings({ refuse }, canaryKey);
  const error = (await create(fixture.dialect, wire, context).catch((thrown: unknown) => thrown)) as SubmitFailure;
  expect(error).toMatchObject({ sent, failure: { code } });
  expect(error.failure.hint ?? '').toMatch(hint ?? /^$/);
  expect(fixture.sandbox.account(canaryKey).bill).toEqual([]);
});

test('after an abort nothing is sent', async () => {
  await using fixture = await createSandboxFixture();
  const { wire } = await makeReady(fixture);
  await expect(create(fixture.dialect, wire, fixture.toAttempt(key, 1, AbortSignal.abort()))).rejects.toMatchObject({ sent: 'no' });
  expect(fixture.sandbox.account(canaryKey).used.create).toBeUndefined();
});

test('without a key nothing is sent', async () => {
  await using fixture = await createSandboxFixture();
  const { wire } = await makeReady(fixture);
  const context: Attempt = { ...fixture.toAttempt(), credential: () => null };
  await expect(create(fixture.dialect, wire, context)).rejects.toMatchObject({ sent: 'no', failure: { code: 'credentials-invalid' } });
});

test.each(['html', 'html-before', 'cut', '500-after', 'drop-after'] as const)(
  'a list that ends with "%s" is no list without jobs',
  async (type) => {
    await using fixture = await createSandboxFixture();
    const { prepared, wire, context } = await makeReady(fixture);
    await create(fixture.dialect, wire, context);
    fixture.sandbox.setFaults({ list: Array.from({ length: 9 }, () => ({ type })) }, canaryKey);
    await expect(find(fixture.dialect, [prepared], context)).rejects.toThrow(/GET/);
  },
);

test.each(['openai', 'azure'] as const)('%s: a fenced attempt can no longer be created, the next one can', async (dialect) => {
  await using fixture = await createSandboxFixture({ dialect });
  const first = await makeReady(fixture);
  await fence(fixture.dialect, first.prepared, first.context);
  await fence(fixture.dialect, first.prepared, first.context);
  await expect(create(fixture.dialect, first.wire, first.context)).rejects.toMatchObject({ sent: 'refused' });
  const next = await makeReady(fixture, 2);
  expect(next.prepared.trainingFile).not.toBe(first.prepared.trainingFile);
  await expect(create(fixture.dialect, next.wire, next.context)).resolves.toMatchObject({ attempt: 2 });
});

test.each(['openai', 'azure'] as const)('%s: discard deletes what was uploaded, and may be repeated', async (dialect) => {
  const { facts } = toInput();
  await using fixture = await createSandboxFixture({ dialect, facts: { ...facts, validation: facts.train } });
  const { prepared, context } = await makeReady(fixture);
  expect(prepared.validationFile).not.toBe(null);
  expect(fixture.sandbox.account(canaryKey).files).toHaveLength(2);
  await discard(fixture.dialect, prepared, context);
  await discard(fixture.dialect, prepared, context);
  expect(fixture.sandbox.account(canaryKey).files).toEqual([]);
});

test('a fence that nobody answered for is not taken for one', async () => {
  await using fixture = await createSandboxFixture();
  const { prepared, context } = await makeReady(fixture);
  for (const type of ['html-before', 'drop-before', '500-before', '429'] as const) {
    fixture.sandbox.setFaults({ delete: [{ type }] }, canaryKey);
    await expect(fence(fixture.dialect, prepared, context)).rejects.toThrow(/DELETE/);
  }
  expect(fixture.sandbox.account(canaryKey).files).toHaveLength(1);
});

test('the key is in no error, no file and no answer', async () => {
  await using fixture = await createSandboxFixture();
  const { prepared, wire, context } = await makeReady(fixture);
  const told: unknown[] = [prepared, wire];
  const tell = async (call: Promise<unknown>): Promise<void> => void told.push(await call.catch((error: unknown) => error));
  for (const type of ['cut', 'html', '500-before', 'drop-before', '429'] as const) {
    const faults = [{ type }, { type }, { type }, { type }];
    fixture.sandbox.setFaults({ create: faults, list: faults, delete: faults, upload: faults, file: faults }, canaryKey);
    await tell(create(fixture.dialect, wire, context));
    await tell(find(fixture.dialect, [prepared], context));
    await tell(fence(fixture.dialect, prepared, context));
    await tell(makeReady(fixture));
  }
  const shown = inspect(told, { depth: Infinity, maxStringLength: Infinity, showHidden: true });
  expect(shown).not.toContain(canaryKey);
  expect(shown).not.toContain(Buffer.from(canaryKey).toString('base64').replace(/=+$/, ''));
  expect(readFileSync(join(context.workDir, 'train.jsonl'), 'utf8')).not.toContain(canaryKey);
});

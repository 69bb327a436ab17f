import { describe, expect, test } from 'vitest';
import { listResources, deleteResource } from '../../../providers/huggingface/account.ts';
import type { HubRequest, Prepared } from '../../../providers/huggingface/request.ts';
import { translate } from '../../../providers/huggingface/translate.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { RemoteResource } from '../../../src/provider/remote-resource.ts';
import type { Quote } from '../../../src/provider/provider.ts';
import type { RunKey } from '../../../src/job/run-key.ts';
import { createHubFixture, key, toInput, type HubFixture } from './fixture.ts';

describe('quote', () => {
  const ask = async ({ provider, toAttempt }: HubFixture, flavor: string): Promise<Quote | null> => {
    const request: HubRequest = translate(toInput({ options: { flavor }, budget: { usd: null, hours: 2 } })).request;
    return await provider.training.quote!(request, toAttempt());
  };

  test('is the price of the day for as long as the job may run, and needs no token', async () => {
    await using fixture = await createHubFixture({ environment: { HF_TOKEN: null } });
    expect(await ask(fixture, 't4-small')).toEqual({
      currency: 'USD',
      low: 0,
      high: 0.80004,
      source: `t4-small at $0.40002 an hour, from ${fixture.hub.url}/api/jobs/hardware, for at most 2 hours`,
      asOf: '2026-11-22',
    });
    expect(fixture.hub.requests.every(({ authorization }) => authorization === null)).toBe(true);
  });

  test('is the documented price where the service gives none, with its day', async () => {
    await using fixture = await createHubFixture();
    expect(await ask(fixture, 'a10g-small')).toMatchObject({ high: 2, asOf: '2026-08-22' });
    fixture.hub.settings.fault = { on: /hardware/, type: '401' };
    expect(await ask(fixture, 't4-small')).toMatchObject({ high: 0.8, asOf: '2026-08-22' });
    expect(await ask(fixture, 'b300x72')).toBeNull();
  });
});

describe('check', () => {
  test('says whose token it is, or that there is none, or that it is refused', async () => {
    await using fixture = await createHubFixture();
    expect(await fixture.provider.check!(fixture.toAttempt())).toMatchObject([
      { ok: true, found: expect.stringContaining('the token of acme works') as string },
    ]);
    fixture.hub.settings.fault = { on: /whoami/, type: '401' };
    expect(await fixture.provider.check!(fixture.toAttempt())).toMatchObject([
      { ok: false, hint: expect.stringContaining('HF_TOKEN') as string },
    ]);
    await using none = await createHubFixture({ environment: { HF_TOKEN: null } });
    expect(await none.provider.check!(none.toAttempt())).toMatchObject([{ ok: null, found: 'not set up: HF_TOKEN not set' }]);
    expect(none.hub.requests).toEqual([]);
  });

  test('an address with a password is refused without being shown', async () => {
    await using fixture = await createHubFixture({ environment: { HF_ENDPOINT: 'https://me:hidden@hub.example' } });
    const [found] = await fixture.provider.check!(fixture.toAttempt());
    expect(found).toMatchObject({ ok: false });
    expect(JSON.stringify(found)).not.toContain('hidden');
  });
});

describe('clean', () => {
  const other = { key: 'z'.repeat(32), prepared: [] };

  async function prepareOne(): Promise<{ fixture: HubFixture; context: Attempt; run: { key: RunKey; prepared: readonly Prepared[] } }> {
    const fixture = await createHubFixture();
    const context = fixture.toAttempt();
    const prepared = (await fixture.provider.training.prepare(fixture.provider.training.translate(toInput()).request, context)) as Prepared;
    return { fixture, context, run: { key, prepared: [prepared] } };
  }

  const toKinds = (made: readonly RemoteResource[]): string[] => made.map(({ kind }) => kind).sort();

  test('lists what was made for ended runs, deletes it, and leaves everything else alone', async () => {
    const { fixture, context, run } = await prepareOne();
    await using _ = fixture;
    const asked = { ended: [run], open: [other], isAll: false };
    const made = await listResources(asked, context);
    expect(toKinds(made)).toEqual(['dataset', 'model']);
    for (const resource of made) await deleteResource(resource, context);
    for (const resource of made) await deleteResource(resource, context);
    expect(await listResources(asked, context)).toEqual([]);
    expect([...fixture.hub.repos.keys()]).toEqual(['models/acme/base', 'models/acme/young']);
  });

  test('the repositories that an open run needs stay, also where another run has ended', async () => {
    const { fixture, context, run } = await prepareOne();
    await using _ = fixture;
    expect(await listResources({ ended: [], open: [run], isAll: true }, context)).toEqual([]);
    const sharer = { ...other, prepared: [{ ...run.prepared[0]!, output: 'acme/other' }] };
    expect(toKinds(await listResources({ ended: [sharer], open: [run], isAll: true }, context))).toEqual([]);
    expect(toKinds(await listResources({ ended: [run], open: [sharer], isAll: true }, context))).toEqual(['model']);
    // A run that was found again knows its key alone.
    expect(toKinds(await listResources({ ended: [run], open: [{ key, prepared: [] }], isAll: true }, context))).toEqual(['dataset']);
  });

  test('what a job of another machine needs stays until it has ended', async () => {
    const { fixture, context, run } = await prepareOne();
    await using _ = fixture;
    const request = translate(toInput()).request;
    const asked = { ended: [run], open: [], isAll: true };
    await fixture.provider.training.create(fixture.provider.training.bind(request, run.prepared[0], key, 1), context);
    expect(await listResources(asked, context)).toEqual([]);
    fixture.pass(60_000);
    expect(toKinds(await listResources(asked, context))).toEqual(['dataset', 'model']);
  });

  test('of rows that no run knows of only all runs together may be the end', async () => {
    const { fixture, context } = await prepareOne();
    await using _ = fixture;
    expect(await listResources({ ended: [other], open: [], isAll: false }, context)).toEqual([]);
    expect(toKinds(await listResources({ ended: [other], open: [], isAll: true }, context))).toEqual(['dataset']);
  });

  test.each(['model:acme/base', 'model:acme/other-abcdefghijklmnopqrs', 'dataset:acme/orchestrate-data-1', 'x'])(
    '%s is none of ours',
    async (id) => {
      await using fixture = await createHubFixture();
      const resource = { id, kind: 'model', name: '', updatedAt: null, url: null };
      await expect(deleteResource(resource, fixture.toAttempt())).rejects.toMatchObject({ code: 'usage' });
      expect(fixture.hub.requests).toEqual([]);
    },
  );
});

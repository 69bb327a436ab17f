import { describe, expect, test } from 'vitest';
import { listMade, removeMade } from '../../../providers/huggingface/clean.ts';
import type { HubRequest, Prepared } from '../../../providers/huggingface/request.ts';
import { translate } from '../../../providers/huggingface/translate.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { MadeThing } from '../../../src/provider/remote-resource.ts';
import type { Quote } from '../../../src/provider/provider.ts';
import type { RunKey } from '../../../src/job/run-key.ts';
import { createHubWorld, key, toInput, type HubWorld } from './fixture.ts';

describe('quote', () => {
  const ask = async ({ provider, toAttempt }: HubWorld, flavor: string): Promise<Quote | null> => {
    const request: HubRequest = translate(toInput({ options: { flavor }, budget: { usd: null, hours: 2 } })).request;
    return await provider.quote!(request, toAttempt());
  };

  test('is the price of the day for as long as the job may run, and needs no token', async () => {
    await using world = await createHubWorld({ environment: { HF_TOKEN: null } });
    expect(await ask(world, 't4-small')).toEqual({
      currency: 'USD',
      low: 0,
      high: 0.80004,
      source: `t4-small at $0.40002 an hour, from ${world.hub.url}/api/jobs/hardware, for at most 2 hours`,
      asOf: '2026-11-22',
    });
    expect(world.hub.requests.every(({ authorization }) => authorization === null)).toBe(true);
  });

  test('is the documented price where the service does not tell, with its day', async () => {
    await using world = await createHubWorld();
    expect(await ask(world, 'a10g-small')).toMatchObject({ high: 2, asOf: '2026-08-22' });
    world.hub.settings.fault = { on: /hardware/, type: '401' };
    expect(await ask(world, 't4-small')).toMatchObject({ high: 0.8, asOf: '2026-08-22' });
    expect(await ask(world, 'b300x72')).toBeNull();
  });
});

describe('check', () => {
  test('tells whose token it is, or that there is none, or that it is refused', async () => {
    await using world = await createHubWorld();
    expect(await world.provider.check!(world.toAttempt())).toMatchObject([
      { ok: true, found: expect.stringContaining('the token of acme works') as string },
    ]);
    world.hub.settings.fault = { on: /whoami/, type: '401' };
    expect(await world.provider.check!(world.toAttempt())).toMatchObject([
      { ok: false, hint: expect.stringContaining('HF_TOKEN') as string },
    ]);
    await using none = await createHubWorld({ environment: { HF_TOKEN: null } });
    expect(await none.provider.check!(none.toAttempt())).toMatchObject([{ ok: true, found: 'not set up: HF_TOKEN not set' }]);
    expect(none.hub.requests).toEqual([]);
  });

  test('an address with a password is refused without being shown', async () => {
    await using world = await createHubWorld({ environment: { HF_ENDPOINT: 'https://me:hidden@hub.example' } });
    const [found] = await world.provider.check!(world.toAttempt());
    expect(found).toMatchObject({ ok: false });
    expect(JSON.stringify(found)).not.toContain('hidden');
  });
});

describe('clean', () => {
  const other = { key: 'z'.repeat(32), prepared: [] };

  async function prepareOne(): Promise<{ world: HubWorld; c: Attempt; run: { key: RunKey; prepared: readonly Prepared[] } }> {
    const world = await createHubWorld();
    const c = world.toAttempt();
    const prepared = (await world.provider.prepare(world.provider.translate(toInput()).request, c)) as Prepared;
    return { world, c, run: { key, prepared: [prepared] } };
  }

  const toKinds = (made: readonly MadeThing[]): string[] => made.map(({ kind }) => kind).sort();

  test('lists what was made for ended runs, deletes it, and leaves everything else alone', async () => {
    const { world, c, run } = await prepareOne();
    await using _ = world;
    const asked = { ended: [run], open: [other], isAll: false };
    const made = await listMade(asked, c);
    expect(toKinds(made)).toEqual(['dataset', 'model']);
    for (const thing of made) await removeMade(thing, c);
    for (const thing of made) await removeMade(thing, c);
    expect(await listMade(asked, c)).toEqual([]);
    expect([...world.hub.repos.keys()]).toEqual(['models/acme/base', 'models/acme/young']);
  });

  test('what an open run needs stays, whoever else could do without it', async () => {
    const { world, c, run } = await prepareOne();
    await using _ = world;
    expect(await listMade({ ended: [], open: [run], isAll: true }, c)).toEqual([]);
    const sharer = { ...other, prepared: [{ ...run.prepared[0]!, output: 'acme/other' }] };
    expect(toKinds(await listMade({ ended: [sharer], open: [run], isAll: true }, c))).toEqual([]);
    expect(toKinds(await listMade({ ended: [run], open: [sharer], isAll: true }, c))).toEqual(['model']);
    // A run that was found again knows its key alone.
    expect(toKinds(await listMade({ ended: [run], open: [{ key, prepared: [] }], isAll: true }, c))).toEqual(['dataset']);
  });

  test('what a job of another machine needs stays until it has ended', async () => {
    const { world, c, run } = await prepareOne();
    await using _ = world;
    const request = translate(toInput()).request;
    const asked = { ended: [run], open: [], isAll: true };
    await world.provider.create(world.provider.bind(request, run.prepared[0], key, 1), c);
    expect(await listMade(asked, c)).toEqual([]);
    world.pass(60_000);
    expect(toKinds(await listMade(asked, c))).toEqual(['dataset', 'model']);
  });

  test('of rows that no run knows of only all runs together may be the end', async () => {
    const { world, c } = await prepareOne();
    await using _ = world;
    expect(await listMade({ ended: [other], open: [], isAll: false }, c)).toEqual([]);
    expect(toKinds(await listMade({ ended: [other], open: [], isAll: true }, c))).toEqual(['dataset']);
  });

  test.each(['model:acme/base', 'model:acme/other-abcdefghijklmnopqrs', 'dataset:acme/orchestrate-data-1', 'x'])(
    '%s is none of ours',
    async (id) => {
      await using world = await createHubWorld();
      const thing = { id, kind: 'model', name: '', updatedAt: null, url: null };
      await expect(removeMade(thing, world.toAttempt())).rejects.toMatchObject({ code: 'usage' });
      expect(world.hub.requests).toEqual([]);
    },
  );
});

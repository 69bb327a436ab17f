import { describe, expect, test } from 'vitest';
import { listMade, removeMade } from '../../../providers/huggingface/clean.ts';
import type { HubRequest } from '../../../providers/huggingface/request.ts';
import { translate } from '../../../providers/huggingface/translate.ts';
import type { Quote } from '../../../src/contract/provider.ts';
import { createHubWorld, toInput, type HubWorld } from './world.ts';

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
      source: `t4-small at $0.40002 an hour, from ${world.hub.url}/api/jobs/hardware; the job is stopped after 2 hours`,
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
  test('lists what was made here, deletes it, and leaves everything else alone', async () => {
    await using world = await createHubWorld();
    const c = world.toAttempt();
    await world.provider.prepare(world.provider.translate(toInput()).request, c);
    const made = await listMade(c);
    expect(made.map(({ kind }) => kind).sort()).toEqual(['dataset', 'model']);
    expect(made.every(({ name }) => name !== 'acme/base')).toBe(true);
    await expect(removeMade([made[0]!.id, 'model:acme/base'], c)).rejects.toMatchObject({ code: 'usage' });
    expect(await listMade(c)).toHaveLength(2);
    const ids = made.map(({ id }) => id);
    await removeMade(ids, c);
    await removeMade(ids, c);
    expect(await listMade(c)).toEqual([]);
    expect([...world.hub.repos.keys()]).toEqual(['models/acme/base', 'models/acme/young']);
  });
});

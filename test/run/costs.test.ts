import { expect, test } from 'vitest';
import { formatCosts } from '../../src/cli/views/costs-view.ts';
import { addCharge, releaseCharge, settleCharge, type Charge } from '../../src/run/budget.ts';
import { readCosts, type Costs } from '../../src/run/costs.ts';
import type { StoredRun } from '../../src/run/run-store.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';

/** What costs are made of. */
function toRun(job: string, target: string, provider = target): StoredRun {
  const spec = { job, target, provider, workspace: null };
  const quote = { high: provider === 'local' ? 0 : 1 };
  return { key: `${job}-${target}`, record: { number: 1, plan: { spec, quote } } } as unknown as StoredRun;
}

const mail = [toRun('mail', 'laptop', 'local'), toRun('mail', 'openai'), toRun('mail', 'azure')];
const chat = [toRun('chat', 'openai')];
const all = [...mail, ...chat];

async function charge(store: Store, { spent, ...part }: Partial<Charge> & { readonly id: string; readonly spent?: number }): Promise<void> {
  await addCharge(store, { job: 'mail', workspace: null, purpose: 'training', usd: 5, at: '2026-12-01T00:00:00Z', ...part });
  if (spent !== undefined) await settleCharge(store, part.id, spent);
}

async function createStore(): Promise<Store> {
  const store = openStore(createScratchFolder());
  await charge(store, { id: 'mail-laptop', spent: 0 });
  await charge(store, { id: 'mail-openai', spent: 1.25 });
  await charge(store, { id: 'mail-azure', usd: 3 }); // still trains
  await charge(store, { id: 'chat-openai', job: 'chat', usd: null });
  await charge(store, { id: 'a', purpose: 'evaluation', spent: 0.1 });
  await charge(store, { id: 'b', purpose: 'texts', job: 'chat', spent: 0.2 });
  await charge(store, { id: 'c', purpose: 'deployment', job: 'chat', usd: 2 });
  await charge(store, { id: 'd', purpose: 'texts', job: 'chat', usd: 7 });
  await releaseCharge(store, 'd');
  await charge(store, { id: 'gone', job: 'old', spent: 4 });
  return store;
}

const toSums = ({ providers, total }: Costs): unknown[] =>
  [...providers, { provider: 'all', ...total }].map(
    ({ provider, trainingUsd, answersUsd, deploymentsUsd, spentUsd, reservedUsd, unknown }) => [
      provider,
      trainingUsd,
      answersUsd,
      deploymentsUsd,
      spentUsd,
      reservedUsd,
      unknown,
    ],
  );

test('costs are summed by provider; what nobody knows is counted, and in no sum', async () => {
  const costs = await readCosts(await createStore(), all, { all, isFiltered: false });
  expect(toSums(costs)).toEqual([
    ['azure', 0, 0, 0, 0, 3, 0],
    ['azure or openai', 0, 0.1, 0, 0.1, 0, 0],
    ['local', 0, 0, 0, 0, 0, 0],
    ['not known', 4, 0, 0, 4, 0, 0],
    ['openai', 1.25, 0.2, 0, 1.45, 2, 1],
    ['all', 5.25, 0.3, 0, 5.55, 5, 1],
  ]);
  expect(costs).toMatchObject({ runs: 4, unknown: ['chat/openai'], notes: [] });
  const text = formatCosts(costs, 80);
  expect(text).toMatch(/^all +\$5\.25 +\$0\.30 +\$0\.00 +\$5\.55 +\$5\.00 +1$/m);
  expect(text).toContain('not in these sums, because their cost is not known: chat/openai');
});

test('of some runs of a job its answers and deployments count in whole, which is said', async () => {
  const costs = await readCosts(await createStore(), [mail[1]!], { all, isFiltered: true });
  expect(toSums(costs).at(-1)).toEqual(['all', 1.25, 0.1, 0, 1.35, 0, 0]);
  expect(costs).toMatchObject({ runs: 1, unknown: [], notes: ['answers and deployments are those of the whole jobs'] });
  expect(formatCosts(costs, 80)).toContain('note: answers and deployments are those of the whole jobs');
  expect((await readCosts(await createStore(), mail, { all, isFiltered: true })).notes).toEqual([]);
});

test('a deleted run of unknown cost is named by its job', async () => {
  const store = openStore(createScratchFolder());
  await charge(store, { id: 'x', usd: null });
  expect((await readCosts(store, [], { all: [], isFiltered: false })).unknown).toEqual(['a run of mail that is not stored any more']);
});

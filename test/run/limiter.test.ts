import { expect, onTestFinished, test } from 'vitest';
import { blockRequests, takeToken } from '../../src/run/limiter.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';

const rate = { perSecond: 2, burst: 3 };

function open(folder = createScratchFolder()): Store {
  const store = openStore(folder);
  onTestFinished(async () => await store.destroy());
  return store;
}

test('a burst passes at once, then requests are spread over time', async () => {
  const store = open();
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) waits.push(await takeToken(store, 'a', { rate, at: 1000 }));
  expect(waits).toEqual([0, 0, 0, 500, 1000, 1500]);
  expect(await takeToken(store, 'a', { rate, at: 1_000_000 })).toBe(0);
});

test('two processes share the allowance, two services do not', async () => {
  const folder = createScratchFolder();
  const [one, two] = [open(folder), open(folder)];
  const waits = [];
  for (const store of [one, two, one, two]) waits.push(await takeToken(store, 'a', { rate, at: 0 }));
  expect(waits).toEqual([0, 0, 0, 500]);
  expect(await takeToken(one, 'b', { rate, at: 0 })).toBe(0);
});

test('never more than burst + rate × time in any window, whoever asks', async () => {
  const folder = createScratchFolder();
  const stores = [open(folder), open(folder)];
  const sent: number[] = [];
  for (let i = 0; i < 40; i++) {
    const at = i * 100 + (i < 20 ? 0 : 3_600_000); // a pause saves no more than a burst
    sent.push(at + (await takeToken(stores[i % 2]!, 'a', { rate, at })));
  }
  for (const from of sent)
    expect(sent.filter((at) => at >= from && at < from + 2000).length).toBeLessThanOrEqual(rate.burst + 2 * rate.perSecond);
});

test('the silence that a service asks for is kept by all', async () => {
  const folder = createScratchFolder();
  await blockRequests(open(folder), 'a', 60_000);
  expect(await takeToken(open(folder), 'a', { rate, at: 10_000 })).toBe(50_000);
});

test('a clock that went back neither gives nor takes', async () => {
  const store = open();
  for (let i = 0; i < 3; i++) await takeToken(store, 'a', { rate, at: 10_000 });
  expect(await takeToken(store, 'a', { rate, at: 0 })).toBe(500);
});

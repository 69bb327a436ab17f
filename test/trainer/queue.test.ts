import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeRunLock, type RunLock } from '../../src/lib/run-lock.ts';
import { joinQueue, waitForTurn, type Place } from '../../src/trainer/queue.ts';
import { createScratchFolder } from '../scratch.ts';

interface Trainer {
  readonly place: Place;
  readonly lock: RunLock;
}

/** Lines up as a trainer of its own run folder does, which holds the lock of that. */
async function lineUp(root: string, name: string, jobs = 1): Promise<Trainer> {
  const folder = join(root, 'runs', name);
  mkdirSync(folder, { recursive: true });
  const lock = takeRunLock(join(folder, 'run.lock.db'), 0)!;
  return { lock, place: await joinQueue({ folder: join(root, 'queue'), jobs, name: `job/${name}` }, folder) };
}

const listTickets = (root: string): string[] => readdirSync(join(root, 'queue')).filter((name) => name.endsWith('.json'));

test('trainings wait in their order, each for the one before it', async () => {
  const root = createScratchFolder();
  const [a, b, c] = [await lineUp(root, 'a'), await lineUp(root, 'b'), await lineUp(root, 'c')];
  const toBlockers = (): (string | null)[] => [a, b, c].map(({ place }) => place.findBlocker());
  expect(toBlockers()).toEqual([null, 'job/a', 'job/b']);
  b.place.leave(); // cancelled
  b.lock.release();
  expect(toBlockers()).toEqual([null, 'job/a', 'job/a']);
  a.place.leave();
  expect(c.place.findBlocker()).toBeNull();
  for (const { lock } of [a, c]) lock.release();
});

test('as many as are allowed run at the same time', async () => {
  const root = createScratchFolder();
  const trainers = [await lineUp(root, 'a', 2), await lineUp(root, 'b', 2), await lineUp(root, 'c', 2), await lineUp(root, 'd', 2)];
  expect(trainers.map(({ place }) => place.findBlocker())).toEqual([null, null, 'job/a', 'job/b']);
  for (const { lock } of trainers) lock.release();
});

test('a killed trainer holds up nobody, and its ticket is taken away', async () => {
  const root = createScratchFolder();
  const [a, b] = [await lineUp(root, 'a'), await lineUp(root, 'b')];
  a.lock.release(); // as the system does when the process dies
  expect(b.place.findBlocker()).toBeNull();
  expect(listTickets(root)).toEqual(['000000002-b.json']);
  b.lock.release();
});

test('a trainer that was killed and goes on stands at the end, and waits not for itself', async () => {
  const root = createScratchFolder();
  const [a, b] = [await lineUp(root, 'a'), await lineUp(root, 'b')];
  a.lock.release();
  const again = await lineUp(root, 'a');
  expect(b.place.findBlocker()).toBeNull();
  expect(again.place.findBlocker()).toBe('job/b');
  expect(listTickets(root)).toEqual(['000000002-b.json', '000000003-a.json']);
  for (const { lock } of [b, again]) lock.release();
});

test('a damaged ticket, and one whose run was deleted, count for nothing', async () => {
  const root = createScratchFolder();
  mkdirSync(join(root, 'queue'));
  writeFileSync(join(root, 'queue', '000000001-x.json'), '{');
  writeFileSync(join(root, 'queue', '000000002-y.json'), JSON.stringify({ folder: join(root, 'gone'), name: 'job/y' }));
  const { place, lock } = await lineUp(root, 'a');
  expect(place.findBlocker()).toBeNull();
  expect(listTickets(root)).toEqual(['000000003-a.json']);
  lock.release();
});

test('a wait ends with its turn, and tells each training that it waits for once', async () => {
  const blockers = ['job/a', 'job/a', 'job/b', null];
  const told: string[] = [];
  const place = { findBlocker: () => blockers.shift()!, leave: () => {} };
  const onWait = (blocker: string): void => void told.push(blocker);
  expect(await waitForTurn(place, { readRequest: () => null, onWait, wait: async () => await Promise.resolve() })).toBeNull();
  expect(told).toEqual(['job/a', 'job/b']);
});

test('a wait ends with a request', async () => {
  const requests = [null, 'cancel'];
  const place = { findBlocker: () => 'job/a', leave: () => {} };
  const wait = async (): Promise<void> => await Promise.resolve();
  expect(await waitForTurn(place, { readRequest: () => requests.shift()!, onWait: () => {}, wait })).toBe('cancel');
});

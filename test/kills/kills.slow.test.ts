import { afterAll, beforeAll, expect, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMutants } from './mutants.ts';
import { plans } from './plans.ts';
import { sourceProduct } from './product.ts';
import { crowd, freezeAndThaw, toPayment, twoMachines } from './scenarios.ts';
import { startHub } from './start-hub.ts';
import { startStandIn } from './start-stand-in.ts';
import { killTwice, type Bench, type Setting } from './trial.ts';

/* The harness on a few boundaries, so that it keeps working: `npm run kills` is the proof. */
let bench: Bench;

beforeAll(async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'orchestrate-kills-'));
  bench = { service: await startStandIn(), scratch, product: sourceProduct };
});

afterAll(async () => {
  await bench.service.stop();
  rmSync(bench.scratch, { recursive: true });
});

const lost: Setting = { name: 'stale', plan: plans['stale']!, onUncertain: 'retry' };
const well: Setting = { name: 'ok', plan: plans['ok']!, onUncertain: 'retry' };

test.each([
  ['before fetch POST jobs', 'after fetch POST jobs'],
  ['after fetch POST jobs', 'before fetch DELETE uploads/ID'],
] as const)('killed %s, then %s: paid for once', async (first, second) => {
  const outcome = await killTwice(bench, lost, [first, second]);
  expect(outcome).toMatchObject({ bill: 1, faults: [] });
  expect(outcome.kills).toBeGreaterThan(0);
});

test('frozen before the paid call and thawed when another has taken over: paid for once', async () => {
  expect(await freezeAndThaw(bench, well, toPayment(bench))).toMatchObject({ kills: 1, attempts: 2, bill: 1, faults: [] });
});

test('four people submit at once: paid for once', async () => {
  expect(await crowd(bench, well, 4)).toMatchObject({ bill: 1, faults: [] });
});

test('two machines submit at once: one job goes on; without the second look, both', async () => {
  expect(await twoMachines(bench, well)).toMatchObject({ faults: [] });
  expect(await findMutants(bench, ['no second look after the submission'])).toMatchObject([{ faults: [] }]);
});

test('at the Hub, a job that arrives when its client has given it up: one trains', async () => {
  const service = await startHub();
  try {
    const late: Setting = { name: 'late-long', plan: plans['late-long']!, onUncertain: 'retry' };
    const outcome = await killTwice({ ...bench, service }, late, ['after fetch POST jobs/ID', 'before fetch POST models/ID/ID/branch/ID']);
    expect(outcome).toMatchObject({ bill: 1, faults: [] });
    expect(outcome.kills).toBeGreaterThan(0);
  } finally {
    await service.stop();
  }
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { RunView } from '../../src/run/run-view.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli, runProgram, type Ended } from './run-cli.ts';
import { expectNothingLeft, writeJob } from './write-job.ts';

const program = fileURLToPath(new URL('priced-program.ts', import.meta.url));

async function run(...args: readonly string[]): Promise<Ended> {
  return await runProgram(program, args);
}

/** A job of one target for each price; null: nobody knows it. */
function writePriced(budgetUsd: number | null, prices: readonly (number | null)[], provider = 'priced'): string {
  const targets = prices.map((usd, i) => [`t${i}`, { provider, model: 'any', options: usd === null ? {} : { usd } }]);
  return writeJob({
    fields: {
      name: 'money',
      targets: Object.fromEntries(targets) as object,
      ...(budgetUsd === null ? {} : { budget: { usd: budgetUsd } }),
    },
  });
}

async function readRuns(dir: string): Promise<RunView[]> {
  const { stdout } = await run('status', '--json', '--dir', dir);
  return (JSON.parse(stdout) as { runs: RunView[] }).runs;
}

test('of three targets the third does not fit: none is submitted, nothing is sent and nothing is left', async () => {
  const dir = join(createScratchFolder(), 'state');
  const { status, stdout, stderr } = await run('submit', writePriced(5, [2, 2, 2]), '--dir', dir);
  expect(stderr).toBe(
    [
      'orchestrate: the job "money" has a budget of $5.00: $0.00 spent and $0.00 reserved, target "t0", target "t1" and target "t2" would need up to $6.00',
      '  raise `budget.usd` in the job file, or run less of it; nothing was started',
      '',
    ].join('\n'),
  );
  expect({ status, stdout }).toEqual({ status: 79, stdout: '' });
  expectNothingLeft(dir);
});

test('a refused budget is JSON for scripts', async () => {
  const { status, stdout } = await run('submit', writePriced(1, [2]), '--json', '--dir', createScratchFolder());
  expect(status).toBe(79);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'budget-exceeded', cause: 'user', retryable: false } });
});

test('what fits is submitted; the same file costs nothing more, an edited one and a further run do', async () => {
  const dir = createScratchFolder();
  const job = writePriced(5, [2, 2]);
  for (let i = 0; i < 2; i++) expect(await run('submit', job, '--dir', dir)).toMatchObject({ status: 0, stdout: '' });
  expect((await readRuns(dir)).map(({ id, cost }) => ({ id, cost }))).toEqual(
    ['money/t0', 'money/t1'].map((id) => ({
      id,
      cost: { currency: 'USD', low: 1, high: 2, actual: null, source: 'list prices', asOf: '2026-01-01', actualSource: null },
    })),
  );
  expect((await run('status', 'money/t0', '--dir', dir)).stdout).toContain('\n  cost      $1.00 to $2.00 (list prices, of 2026-01-01)\n');

  const again = await run('submit', job, '--again', '--target', 't0', '--dir', dir);
  expect(again.status).toBe(79);
  expect(again.stderr).toMatch(
    /\$4\.00 reserved \(money\/t0, \w+, holds \$2\.00; money\/t1, \w+, holds \$2\.00\), target "t0" would need up to \$2\.00/,
  );
  writeFileSync(job, readFileSync(job, 'utf8').replace('"usd":2}', '"usd":1.5}'));
  expect((await run('submit', job, '--target', 't0', '--dir', dir)).status).toBe(79);
  expect(await readRuns(dir)).toHaveLength(2);
  expect((await run('submit', job, '--target', 't0', '--set', 'budget.usd=5.5', '--dir', dir)).status).toBe(0);
});

test.each(['priced', 'unpriced'])('a price that nobody knows is refused under a budget and taken without one (%s)', async (provider) => {
  const dir = join(createScratchFolder(), 'state');
  const refused = await run('submit', writePriced(5, [null], provider), '--dir', dir);
  expect(refused.status).toBe(79);
  expect(refused.stderr).toContain('the job "money" has a budget of $5.00, but the price of target "t0" is unknown');
  expectNothingLeft(dir);
  expect((await run('submit', writePriced(null, [null], provider), '--dir', dir)).status).toBe(0);
  expect((await run('status', 'money', '--dir', dir)).status).toBe(0);
  expect((await run('plan', writePriced(null, [null], provider), '--dir', dir)).stdout).toContain(
    '  cost      price unknown: set ORCHESTRATE_PRICES=',
  );
});

test('two submissions at once of which one fits: one is submitted, the other refused', async () => {
  const dir = createScratchFolder();
  const jobs = [writePriced(5, [3]), writePriced(5, [4])];
  const ended = await Promise.all(jobs.map(async (job) => await run('submit', job, '--dir', dir)));
  expect(ended.map(({ status }) => String(status)).sort()).toEqual(['0', '79']);
  expect(await readRuns(dir)).toHaveLength(1);
});

test('a training on this machine needs no budget', async () => {
  const dir = createScratchFolder();
  const args = ['--set', 'budget.usd=0', '--set', 'training.epochs=0.02', '--wait', '-q', '--dir', dir];
  const { status, stdout, stderr } = await runCli('submit', 'fixtures/sentiment/job.json', ...args);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'sentiment/laptop\n', stderr: '' });
  expect((await readRuns(dir))[0]!.cost).toMatchObject({ high: 0, actual: 0 });
});

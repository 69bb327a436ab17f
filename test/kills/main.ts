/**
 * `npm run kills -- [--count N] [--seed S] [--plan NAME] [--source] [--sandbox] [--hub] [--together]`: kills the program at its boundaries, freezes it, loses its state,
 * fails its system calls, and counts what the service was asked to pay. `--mutants`: leaves one thing out of the protocol after the
 * other, and must notice each. `--sandbox`, `--together`: against the sandbox of OpenAI or Together, with the official client beside.
 * `--hub`: against the sandbox's Hub. `--restart`: how soon a new process is ready among 10,000 open runs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inParallel } from './in-parallel.ts';
import { findMutants } from './mutants.ts';
import { countNaivePayments } from './naive.ts';
import { installProduct, sourceProduct } from './product.ts';
import { toTable } from './report.ts';
import { measureRestart } from './restart.ts';
import { hasStrace, toKillTasks, toScenarioTasks } from './schedule.ts';
import { startHub } from './start-hub.ts';
import { startSandbox } from './start-sandbox.ts';
import { startTogether } from './start-together.ts';
import { startStandIn } from './start-stand-in.ts';
import type { Service } from './service.ts';
import type { Bench, Outcome } from './trial.ts';

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '240' },
    seed: { type: 'string', default: '1' },
    plan: { type: 'string' },
    source: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    sandbox: { type: 'boolean', default: false },
    hub: { type: 'boolean', default: false },
    together: { type: 'boolean', default: false },
    restart: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function start(): Promise<Service> {
  if (flags.hub) return await startHub();
  if (flags.together) return await startTogether();
  return flags.sandbox ? await startSandbox() : await startStandIn();
}

async function runTrials(bench: Bench): Promise<Outcome[]> {
  const seed = Number(flags.seed);
  const kills = await toKillTasks(bench, { count: Number(flags.count), seed, plan: flags.plan });
  if (flags.plan !== undefined || flags.hub) return await inParallel(kills);
  // What the official client does with its defaults, and what the program does with it.
  if (bench.service.naive !== undefined) return [await countNaivePayments(bench), ...(await inParallel(kills))];
  const scenarios = await toScenarioTasks(bench, seed);
  if (!hasStrace()) say('strace is not installed: no system call is made to fail, and none is counted');
  return await inParallel([...kills, ...Object.values(scenarios).flat()]);
}

const begun = performance.now();
const scratch = mkdtempSync(join(tmpdir(), 'orchestrate-kills-'));
let outcomes: Outcome[];
if (flags.restart) outcomes = [await measureRestart(scratch, say)];
else {
  const service = await start();
  try {
    const product = flags.source || flags.mutants ? sourceProduct : installProduct(scratch);
    const bench = { service, scratch, product };
    outcomes = flags.mutants ? await findMutants(bench) : await runTrials(bench);
  } finally {
    await service.stop();
  }
  say(toTable(outcomes));
}
const failed = outcomes.filter(({ faults }) => faults.length > 0);
for (const { faults } of failed.slice(0, 20)) say(faults.join('\n'));
if (failed.length === 0) rmSync(scratch, { recursive: true });
say(`seed ${flags.seed}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
say(`${outcomes.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

/**
 * `node test/evaluate/kill-capture.ts [--count N] [--seed S]`: captures answers of the sandbox, kills the program N times at boundaries that
 * the seed gives, lets it go on, and counts what was paid for.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toShuffled, toStreamKey, toUint32 } from '../../src/lib/random.ts';
import { startSandbox } from '../../src/sandbox/main.ts';
import { inParallel } from '../kills/in-parallel.ts';
import { sourceProduct } from '../kills/product.ts';
import { captureWhole, killCapture, type CaptureOutcome } from './capture-trial.ts';

const { values: flags } = parseArgs({ options: { count: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } } });
const count = Number(flags.count);
const seed = Number(flags.seed);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const begun = performance.now();
const scratch = mkdtempSync(join(tmpdir(), 'orchestrate-captures-'));
const sandbox = await startSandbox();
const bench = { sandbox, scratch, product: sourceProduct };
const whole = await captureWhole(bench);
const order = toShuffled(whole.points, toStreamKey(seed, 'first'));

/** Killed at a boundary of a new capture, then at early ones of one that goes on, which has fewer. */
function toPoints(trial: number): number[] {
  const key = toStreamKey(seed, 'later', trial);
  return [order[trial % order.length]!, ...Array.from({ length: 4 }, (_, i) => 1 + (toUint32(key, i) % 80))];
}

const outcomes: CaptureOutcome[] = [];
const toKills = (): number => outcomes.reduce((sum, { kills }) => sum + kills, 0);
while (toKills() < count) {
  const begin = outcomes.length;
  const size = Math.ceil((count - toKills()) / 5); // some come too late: the capture has ended
  const tasks = Array.from({ length: size }, (_, i) => async () => await killCapture(bench, whole, toPoints(begin + i)));
  outcomes.push(...(await inParallel(tasks)));
}
await sandbox.close();
const failed = outcomes.filter(({ faults }) => faults.length > 0);
for (const { faults } of failed.slice(0, 20)) say(faults.join('\n'));
if (failed.length === 0) rmSync(scratch, { recursive: true });
const lost = outcomes.reduce((sum, one) => sum + one.lost, 0);
say(
  `${outcomes.length} captures, ${toKills()} kills at ${whole.points.length} boundaries; ${lost} answers were on their way when the process died`,
);
say(`seed ${seed}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
say(`${outcomes.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

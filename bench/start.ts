/** How long the installed command takes to start, beside bare Node. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { installPackage } from './installed.ts';
import { interleave, type Sample } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import { writeRuns } from './write-runs.ts';

const job = resolve(import.meta.dirname, '../fixtures/sentiment/job.json');

export async function measureStart(scratch: string): Promise<string> {
  const { command, env } = installPackage(scratch);
  const [empty, full] = [join(scratch, 'empty'), join(scratch, 'full')];
  mkdirSync(empty);
  await writeRuns(full, job, 20);
  const cases = [
    { name: '`node -e 0`', args: ['-e', '0'], bar: '' },
    { name: '`orchestrate --version`', args: [command, '--version'], bar: '' },
    { name: '`orchestrate --help`', args: [command, '--help'], bar: '2' },
    { name: '`orchestrate status`, no run yet', args: [command, 'status'], bar: '2.5' },
    { name: '`orchestrate status`, 20 runs', args: [command, 'status', '--dir', full], bar: '2.5' },
    { name: '`orchestrate status --json`, 20 runs', args: [command, 'status', '--json', '--dir', full], bar: '' },
    { name: '`orchestrate plan`, the main job', args: [command, 'plan', job], bar: '' },
  ];
  const take = (args: readonly string[]): Sample => ({ ms: timeProcess(args, { cwd: empty, env }) });
  const takes = Object.fromEntries(cases.map(({ name, args }) => [name, () => take(args)]));
  const found = await interleave(takes, { warmUps: 2, rounds: 25 }); // the first start fills the compile cache
  const toTimes = (name: string): readonly number[] => found[name]!['ms']!;
  const base = toTimes(cases[0]!.name);
  const rows = cases.map(({ name, bar }) => {
    const times = toTimes(name);
    return [name, toSpread(times), toRatio(times, base), toRatio([Math.min(...times)], [Math.min(...base)]), bar];
  });
  return `Start of the installed package.\n\n${toTable([['command', 'ms', 'ratio to bare Node', 'of the fastest starts', 'bar'], ...rows])}`;
}

/** Milliseconds from the start of a Node process to its end. @throws Error where it ends with a failure */
function timeProcess(args: readonly string[], options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { ...options, encoding: 'utf8' });
  const ms = performance.now() - begun;
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`);
  return ms;
}

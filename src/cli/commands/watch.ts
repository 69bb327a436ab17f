import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { parseDurationMs } from '../parse-flags.ts';
import { toProgressLine } from '../views/progress-view.ts';
import { followRuns } from './wait.ts';

/** `orchestrate watch RUN…`: moving bars for a person, otherwise one line a change; with `--json` one object a line. */
export async function watch(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  await using orchestrator = await cli.open();
  const { timeout } = flags;
  if (cli.terminal.isWatched && !cli.json) return toOutcome(await followRuns(cli, orchestrator, { addresses: args, timeout }));
  const timeoutMs = typeof timeout === 'string' ? parseDurationMs('--timeout', timeout) : undefined;
  const printed = new Map<string, string>();
  let outcome = 0;
  for await (const runs of orchestrator.watch(args, { timeoutMs })) {
    for (const run of runs) {
      const mark = `${run.status.phase} ${run.progress.step}`;
      if (printed.get(run.id) === mark) continue;
      printed.set(run.id, mark);
      cli.terminal.print(cli.json ? JSON.stringify(run) : toProgressLine(run, Infinity));
    }
    outcome = toOutcome(runs);
  }
  return outcome;
}

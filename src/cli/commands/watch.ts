import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { toProgressLine } from '../views/progress-view.ts';

/** `orchestrate watch RUN…`: one line a change; with `--json` one object a line. */
export async function watch(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const printed = new Map<string, string>();
  const runs = await orchestrator.wait(args, (seen) => {
    for (const run of seen) {
      const line = cli.json ? JSON.stringify(run) : toProgressLine(run, Infinity);
      const mark = `${run.status.phase} ${run.progress.step}`;
      if (printed.get(run.id) !== mark) cli.terminal.print(line);
      printed.set(run.id, mark);
    }
  });
  return toOutcome(runs);
}

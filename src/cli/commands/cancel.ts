import type { Cli } from '../cli.ts';
import { toNextCommand } from '../views/run-view-text.ts';

/** `orchestrate cancel RUN`: asks; the run is cancelled when its provider says so. */
export async function cancel(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const runs = await orchestrator.run(args[0]!).cancel();
  if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else
    for (const run of runs)
      cli.terminal.say(`${run.id}  ${run.terminal ? run.status.phase : 'asked to stop'}; next: ${toNextCommand(run)}`);
  return 0;
}

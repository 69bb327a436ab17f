import type { Cli, CommandFunction } from '../cli.ts';
import type { RunView } from '../../run/run-view.ts';
import { toNextCommand } from '../views/run-view-text.ts';

/** `orchestrate pause RUN`: asks for a stop from which the job can go on. */
export const pause: CommandFunction = async (cli, args) => {
  await using orchestrator = await cli.open();
  printAsked(cli, await orchestrator.run(args[0]!).pause(), 'asked to pause');
  return 0;
};

/** `orchestrate resume RUN`: lets a paused or interrupted run go on. */
export const resume: CommandFunction = async (cli, args) => {
  await using orchestrator = await cli.open();
  printAsked(cli, [await orchestrator.run(args[0]!).resume()], 'goes on');
  return 0;
};

/** `orchestrate cancel RUN`: asks; the run is cancelled when its provider says so. */
export const cancel: CommandFunction = async (cli, args) => {
  await using orchestrator = await cli.open();
  printAsked(cli, await orchestrator.run(args[0]!).cancel(), 'asked to stop');
  return 0;
};

function printAsked(cli: Cli, runs: readonly RunView[], what: string): void {
  if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else for (const run of runs) cli.terminal.say(`${run.id}  ${run.terminal ? run.status.phase : what}; next: ${toNextCommand(run)}`);
}

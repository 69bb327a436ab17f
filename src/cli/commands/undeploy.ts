import { formatUsd } from '../../run/budget.ts';
import type { RunView } from '../../run/run-view.ts';
import type { Cli, CommandFunction } from '../cli.ts';

/** `orchestrate undeploy RUN`: ends the deployment of its model. */
export const undeploy: CommandFunction = async (cli, args) => {
  await using orchestrator = await cli.open();
  printEnded(cli, await orchestrator.run(args[0]!).undeploy());
  return 0;
};

/** @param ended what `RunHandle.undeploy` gave */
export function printEnded(cli: Cli, { run, usd }: { readonly run: RunView; readonly usd: number | null }): void {
  if (cli.json) cli.terminal.print(JSON.stringify({ runs: [run], usd }));
  else if (cli.quiet) cli.terminal.print(run.id);
  else if (usd === null) cli.terminal.say(`${run.id} is not deployed`);
  else cli.terminal.say(`${run.id} is no longer deployed; ${usd === 0 ? 'it cost nothing' : `it cost ${formatUsd(usd)}`}`);
}

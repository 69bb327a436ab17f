import { isJobFile } from '../../run/find-runs.ts';
import { getOutcome, printRuns, programName, type Cli } from '../cli.ts';
import { formatRunPage, formatRunTable } from '../views/run-view.ts';

interface StatusFlags {
  readonly tag?: Readonly<Record<string, string>>;
  readonly limit?: number;
  readonly refresh?: boolean;
  readonly exitCode?: boolean;
}

/** `orchestrate status [RUN]`: reads the store and shows its age. */
export async function status(cli: Cli, [address]: readonly string[], flags: StatusFlags): Promise<number> {
  // The jobs of a job file may be found at its providers, and are stored then.
  await using orchestrator = await cli.open({ mayCreateState: address !== undefined && isJobFile(address) });
  const tags = Object.entries(flags.tag ?? {});
  const found = await orchestrator.list(address, { isRefreshed: flags.refresh === true });
  const runs = found.filter((run) => tags.every(([name, value]) => run.tags[name] === value)).slice(0, flags.limit);
  for (const { message, hint } of await orchestrator.damage()) cli.terminal.say(`${message}\n  ${hint}`);
  const now = new Date();
  printRuns(cli, runs, () => {
    if (runs.length === 0) cli.terminal.say(`no runs yet: \`${programName} submit job.json\` makes one`);
    else cli.terminal.print(address === undefined || runs.length > 1 ? formatRunTable(runs, now) : formatRunPage(runs[0]!, now));
  });
  return flags.exitCode === true ? getOutcome(runs) : 0;
}

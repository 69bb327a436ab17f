import { Failure } from '../../errors.ts';
import { isJobFile } from '../../run/find-runs.ts';
import type { Costs } from '../../run/costs.ts';
import { formatJson } from '../escape.ts';
import { getOutcome, printRuns, nameCommand, type Cli } from '../cli.ts';
import { formatCosts } from '../views/costs-view.ts';
import { formatCount } from '../views/format.ts';
import { formatOldestLook, formatRunPage, formatRunTable } from '../views/run-view.ts';

interface StatusFlags {
  readonly tag?: Readonly<Record<string, string>>;
  readonly limit?: number;
  readonly costs?: boolean;
  readonly cached?: boolean;
  readonly refresh?: boolean;
  readonly exitCode?: boolean;
}

/** `orchestrate status [RUN]`: polls where that is free or due, and shows how old the rest is. */
export async function status(cli: Cli, [address]: readonly string[], flags: StatusFlags): Promise<number> {
  // The jobs of a job file may be found at its providers, and are stored then.
  await using orchestrator = await cli.open({ mayCreateState: address !== undefined && isJobFile(address) });
  const tags = Object.entries(flags.tag ?? {});
  if (flags.costs === true) return printCosts(cli, await orchestrator.costs(address, flags.tag));
  if (flags.cached === true && flags.refresh === true) throw new Failure('usage', 'expected --cached or --refresh, found both');
  // Before the list: a poll writes a damaged record anew, and nobody would hear of it.
  for (const { message, hint } of await orchestrator.damage()) cli.terminal.say(`${message}\n  ${hint}`);
  const found = await orchestrator.list(address, { look: flags.cached === true ? 'never' : flags.refresh === true ? 'now' : 'due' });
  const runs = found.filter((run) => tags.every(([name, value]) => run.tags[name] === value)).slice(0, flags.limit);
  const now = new Date();
  printRuns(cli, runs, () => {
    if (runs.length === 0) cli.terminal.say(formatNothing(orchestrator.dir, { found: found.length, tags }));
    else if (address !== undefined && runs.length === 1) cli.terminal.print(formatRunPage(runs[0]!, now));
    else {
      cli.terminal.print(formatRunTable(runs, now, cli.terminal.width));
      const age = formatOldestLook(runs, now);
      if (age !== null) cli.terminal.say(age);
    }
  });
  return flags.exitCode === true ? getOutcome(runs) : 0;
}

function printCosts({ terminal, json }: Cli, costs: Costs): number {
  terminal.print(json ? formatJson(costs) : formatCosts(costs, terminal.width));
  return 0;
}

/** Why a list of runs is empty. */
function formatNothing(dir: string, { found, tags }: { found: number; tags: readonly (readonly [string, string])[] }): string {
  if (found === 0) return `no runs yet in ${dir}: \`${nameCommand('submit job.json')}\` makes one, \`--dir\` names another folder`;
  const wanted = tags.map(([name, value]) => `${name}=${value}`).join(' and ');
  return `none of ${formatCount(found)} ${found === 1 ? 'run' : 'runs'} has the ${tags.length === 1 ? 'tag' : 'tags'} ${wanted}`;
}

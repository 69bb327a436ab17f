import { isJobFile } from '../../run/find-runs.ts';
import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { parseCount, parseTags } from '../parse-flags.ts';
import { toRunPage, toRunTable } from '../views/run-view-text.ts';
import { programName } from '../program-name.ts';

/** `orchestrate status [RUN]`: reads the store and shows its age. */
export async function status(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const [address] = args;
  // The jobs of a job file may be found at its providers, and are kept then.
  await using orchestrator = await cli.open({ mayCreateState: address !== undefined && isJobFile(address) });
  const { tag, limit, refresh } = flags as { tag?: string[]; limit?: string; refresh?: boolean };
  const tags = Object.entries(parseTags(tag ?? []));
  const tagged = (await orchestrator.list(address, { isRefreshed: refresh === true })).filter((run) =>
    tags.every(([name, value]) => run.tags[name] === value),
  );
  const runs = limit === undefined ? tagged : tagged.slice(0, parseCount('--limit', limit));
  const now = new Date();
  if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else if (runs.length === 0) cli.terminal.say(`no runs yet: \`${programName} submit job.json\` makes one`);
  else if (address === undefined || runs.length > 1) cli.terminal.print(toRunTable(runs, now));
  else cli.terminal.print(toRunPage(runs[0]!, now));
  return flags['exitCode'] === true ? toOutcome(runs) : 0;
}

import { Failure } from '../../failure.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import type { RunView } from '../../run/run-view.ts';
import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { createProgressLog, toProgressLine } from '../views/progress-view.ts';
import { toRunPage } from '../views/run-view-text.ts';

/** `orchestrate wait RUN…`: until all have ended. */
export async function wait(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const runs = await followRuns(cli, orchestrator, args);
  if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else cli.terminal.print(runs.map((run) => toRunPage(run, new Date())).join('\n\n'));
  return toOutcome(runs);
}

/** Waits and shows how it goes: a moving bar for a person, a line now and then for a log. */
export async function followRuns(cli: Cli, orchestrator: Orchestrator, addresses: readonly string[]): Promise<RunView[]> {
  const { terminal } = cli;
  const log = createProgressLog((line) => terminal.say(line));
  const show = (runs: readonly RunView[]): void => {
    if (cli.quiet) return;
    if (terminal.isWatched) terminal.showLive(runs.map((run) => toProgressLine(run, terminal.columns)));
    else log(runs);
  };
  try {
    return await orchestrator.wait(addresses, show);
  } catch (error) {
    if (!cli.signal.aborted) throw error;
    terminal.say(`\nthe training goes on; \`orchestrate wait ${addresses.join(' ')}\` follows it again`);
    throw new Failure('interrupted', 'stopped waiting', { error });
  }
}

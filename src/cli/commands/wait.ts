import { Failure } from '../../errors.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import type { RunView } from '../../run/run-view.ts';
import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { parseDurationMs } from '../parse-flags.ts';
import { createProgressLog, toProgressLine } from '../views/progress-view.ts';
import { toRunPage } from '../views/run-view-text.ts';
import { programName } from '../program-name.ts';

/** `orchestrate wait RUN…`: until all have ended. */
export async function wait(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  await using orchestrator = await cli.open();
  const runs = await followRuns(cli, orchestrator, { addresses: args, timeout: flags['timeout'] });
  if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else cli.terminal.print(runs.map((run) => toRunPage(run, new Date())).join('\n\n'));
  return toOutcome(runs);
}

export interface Follow {
  readonly addresses: readonly string[];
  /** The value of `--timeout`. */
  readonly timeout: unknown;
}

/** Waits and shows how it goes: moving bars for a person, a line now and then for a log. */
export async function followRuns(cli: Cli, orchestrator: Orchestrator, { addresses, timeout }: Follow): Promise<readonly RunView[]> {
  const { terminal } = cli;
  const timeoutMs = typeof timeout === 'string' ? parseDurationMs('--timeout', timeout) : undefined;
  const log = createProgressLog((line) => terminal.say(line));
  let last: readonly RunView[] = [];
  try {
    for await (const runs of orchestrator.watch(addresses, { timeoutMs })) {
      last = runs;
      if (cli.quiet) continue;
      if (terminal.isWatched) terminal.showLive(runs.map((run) => toProgressLine(run, terminal.columns)));
      else log(runs);
    }
  } catch (error) {
    if (!cli.signal.aborted) throw error;
    terminal.say(`the training goes on; \`${programName} wait ${addresses.join(' ')}\` follows it again`);
    throw new Failure('interrupted', 'stopped waiting', { error });
  }
  if (timeoutMs !== undefined && last.some((run) => !run.terminal && !run.attention))
    terminal.say('not finished within the time; the runs go on');
  return last;
}

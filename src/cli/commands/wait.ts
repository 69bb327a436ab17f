import { Failure } from '../../errors.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import type { RunView } from '../../run/run-view.ts';
import { getOutcome, printRuns, nameCommand, type Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { createProgressLog, formatProgress, formatRunPage } from '../views/run-view.ts';

interface WaitFlags {
  /** Milliseconds. */
  readonly timeout?: number;
}

/** `orchestrate wait RUN…`: until all have ended. */
export async function wait(cli: Cli, args: readonly string[], { timeout }: WaitFlags): Promise<number> {
  await using orchestrator = await cli.open();
  const runs = await followRuns(cli, orchestrator, { addresses: args, timeoutMs: timeout });
  printRuns(cli, runs, () => cli.terminal.print(runs.map((run) => formatRunPage(run, new Date())).join('\n\n')));
  return getOutcome(runs);
}

/** `orchestrate watch RUN…`: moving bars for a person, otherwise one line a change; with `--json` one object a line. */
export async function watch(cli: Cli, args: readonly string[], { timeout }: WaitFlags): Promise<number> {
  await using orchestrator = await cli.open();
  if (cli.terminal.isWatched && !cli.json) {
    return getOutcome(await followRuns(cli, orchestrator, { addresses: args, timeoutMs: timeout }));
  }
  const printed = new Map<string, string>();
  let outcome = 0;
  for await (const runs of orchestrator.watch(args, { timeoutMs: timeout })) {
    for (const run of runs) {
      const mark = `${run.status.phase} ${run.progress.step}`;
      if (printed.get(run.id) === mark) continue;
      printed.set(run.id, mark);
      cli.terminal.print(cli.json ? formatJson(run) : formatProgress(run, Infinity));
    }
    outcome = getOutcome(runs);
  }
  return outcome;
}

/** Waits and shows the progress: moving bars for a person, a line now and then for a log. */
export async function followRuns(
  cli: Cli,
  orchestrator: Orchestrator,
  { addresses, timeoutMs }: { readonly addresses: readonly string[]; readonly timeoutMs: number | undefined },
): Promise<readonly RunView[]> {
  const { terminal } = cli;
  const log = createProgressLog((line) => terminal.say(line));
  let last: readonly RunView[] = [];
  try {
    for await (const runs of orchestrator.watch(addresses, { timeoutMs })) {
      last = runs;
      if (cli.quiet) continue;
      if (terminal.isWatched) terminal.showLive(runs.map((run) => formatProgress(run, terminal.columns)));
      else log(runs);
    }
  } catch (error) {
    if (!cli.signal.aborted) throw error;
    terminal.say(`the training goes on; \`${nameCommand(`wait ${addresses.join(' ')}`)}\` follows it again`);
    throw new Failure('interrupted', 'stopped waiting', { error });
  }
  if (timeoutMs !== undefined && last.some((run) => !run.terminal && !run.attention)) {
    terminal.say('not finished within the time; the runs go on');
  }
  return last;
}

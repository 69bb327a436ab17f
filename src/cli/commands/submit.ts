import type { Comparison } from '../../evaluate/compare.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import type { RunView } from '../../run/run-view.ts';
import { escapeLine } from '../escape.ts';
import type { Cli } from '../cli.ts';
import { toOutcome } from '../outcome.ts';
import { parseTags } from '../parse-flags.ts';
import { toComparisonText } from '../views/comparison-view.ts';
import { formatCount, formatPlace, formatSeconds } from '../views/format.ts';
import { toNextCommand, toRunPage } from '../views/run-view-text.ts';
import { followRuns } from './wait.ts';
import { programName } from '../program-name.ts';

/** `orchestrate submit JOB`: submits; with `--wait` follows the runs, scores them where that is free, and prints the verdict. */
export async function submit(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { target, set, tag, again, wait, timeout } = flags as {
    target?: string[];
    set?: string[];
    tag?: string[];
    again?: boolean;
    wait?: boolean;
    timeout?: string;
  };
  const begun = performance.now();
  await using orchestrator = await cli.open({ mayCreateState: true });
  const job = await orchestrator.load(args[0]!, [...(set ?? []), ...toTagOverrides(tag ?? [])]);
  const runs = await orchestrator.submit(job, { targets: target, again });
  if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else for (const run of runs) cli.terminal.say(toSubmittedLine(run));
  if (wait !== true) {
    if (cli.json) cli.terminal.print(JSON.stringify({ runs }));
    else if (!cli.quiet) for (const run of runs) cli.terminal.say(`next: ${toNextCommand(run)}`);
    return runs.some((run) => run.attention || run.status.phase === 'rejected') ? toOutcome(runs) : 0;
  }
  const ended = await followRuns(cli, orchestrator, { addresses: runs.map((run) => run.id), timeout });
  const comparisons = ended.some((run) => run.ok) ? await compareEnded(cli, orchestrator, job.spec.name) : [];
  if (cli.json) cli.terminal.print(JSON.stringify({ runs: ended, comparisons }));
  else if (!cli.quiet) printResult(cli, { runs: ended, comparisons, seconds: (performance.now() - begun) / 1000 });
  return toOutcome(ended);
}

/** Tags of the command line stand beside those of the job file. */
function toTagOverrides(pairs: readonly string[]): string[] {
  return Object.entries(parseTags(pairs)).map(([name, value]) => `tags.${name}=${JSON.stringify(value)}`);
}

function toSubmittedLine(run: RunView): string {
  const rows = `${formatCount(run.data.train.rows)} rows`;
  const verb = run.terminal ? `has ended before (${run.status.phase})` : run.status.phase === 'submitted' ? 'submitted' : run.status.phase;
  return `${run.id}  ${verb}  ${run.provider}  ${escapeLine(run.model.base.split('/').at(-1)!)}  ${rows}`;
}

async function compareEnded(cli: Cli, orchestrator: Orchestrator, job: string): Promise<Comparison[]> {
  if (!cli.quiet) cli.terminal.say('scoring the held-out rows …');
  return await orchestrator.compare(job);
}

interface Result {
  readonly runs: readonly RunView[];
  readonly comparisons: readonly Comparison[];
  readonly seconds: number;
}

function printResult({ terminal }: Cli, { runs, comparisons, seconds }: Result): void {
  for (const comparison of comparisons) terminal.print(`\n${toComparisonText(comparison)}`);
  terminal.print('');
  for (const run of runs) {
    if (!run.ok) {
      terminal.print(toRunPage(run, new Date()));
      continue;
    }
    const { started, finished } = run.times;
    const training =
      started === null || finished === null ? '' : `, training ${formatSeconds((Date.parse(finished) - Date.parse(started)) / 1000)}`;
    terminal.print(`time     ${formatSeconds(seconds)}${training}`);
    for (const { uri } of run.outputs) terminal.print(`model    ${escapeLine(formatPlace(uri))}`);
    terminal.print(`try it   ${programName} predict ${run.id} "a text of your own"`);
  }
}

import type { Quote } from '../../provider/provider.ts';
import type { Comparison } from '../../evaluate/comparison.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import { isFailure } from '../../errors.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunView } from '../../run/run-view.ts';
import type { JobSpec } from '../../job/job-spec.ts';
import { escapeLine, escapeText, formatJson } from '../escape.ts';
import { getOutcome, programName, type Cli } from '../cli.ts';
import type { JobFlags } from './plan.ts';
import { formatComparison } from '../views/comparison-view.ts';
import { formatCount, formatLocation, formatSeconds } from '../views/format.ts';
import { formatPrice, formatRunPage, getNextCommand, needsDeployment } from '../views/run-view.ts';
import { followRuns } from './wait.ts';

interface SubmitFlags extends JobFlags {
  readonly tag?: Readonly<Record<string, string>>;
  readonly again?: boolean;
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** `orchestrate submit JOB`: submits; with `--wait` follows the runs, scores them where that is free, and prints the verdict. */
export async function submit(cli: Cli, args: readonly string[], flags: SubmitFlags): Promise<number> {
  const { target, set, tag, again, wait, timeout } = flags;
  const begun = performance.now();
  await using orchestrator = await cli.open({ mayCreateState: true });
  const job = await orchestrator.load(args[0]!, [...(set ?? []), ...formatTagOverrides(tag ?? {})]);
  const runs = await orchestrator.submit(job, { targets: target, again, timeoutMs: timeout, onChange: (run) => reportUncertain(cli, run) });
  if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else {
    for (const run of runs) cli.terminal.say(formatSubmitted(run));
    for (const note of formatDeprecations(runs, new Date())) cli.terminal.say(note);
  }
  if (wait !== true) {
    if (cli.json) cli.terminal.print(formatJson({ runs }));
    else if (!cli.quiet) for (const run of runs) cli.terminal.say(`next: ${getNextCommand(run)}`);
    return runs.some((run) => run.attention || run.status.phase === 'rejected') ? getOutcome(runs) : 0;
  }
  const getLeftMs = (): number => Math.max(0, (timeout ?? 0) - (performance.now() - begun));
  const timeoutMs = timeout === undefined ? undefined : getLeftMs();
  const ended = await followRuns(cli, orchestrator, { addresses: runs.map((run) => run.id), timeoutMs });
  const estimate = ended.some((run) => run.ok) ? await orchestrator.estimate(job.spec.name) : free;
  const comparisons = ended.some((run) => run.ok) ? await compareEnded(cli, orchestrator, { job: job.spec, estimate }) : [];
  if (cli.json) cli.terminal.print(formatJson({ runs: ended, comparisons, estimate }));
  else if (!cli.quiet)
    printResult(cli, {
      runs: ended,
      comparisons,
      evaluation: formatEvaluation(job.spec, estimate),
      seconds: (performance.now() - begun) / 1000,
    });
  const isOver = timeout !== undefined && getLeftMs() === 0;
  return isOver && ended.some((run) => !run.terminal && !run.attention) ? 101 : getOutcome(ended);
}

/** Tags of the command line stand beside those of the job file. */
function formatTagOverrides(tags: Readonly<Record<string, string>>): string[] {
  return Object.entries(tags).map(([name, value]) => `tags.${name}=${JSON.stringify(value)}`);
}

function formatSubmitted(run: RunView): string {
  const rows = `${formatCount(run.data.train.rows)} rows`;
  const verb = run.terminal ? `has ended before (${run.status.phase})` : run.status.phase === 'submitted' ? 'submitted' : run.status.phase;
  return `${run.id}  ${verb}  ${run.provider}  ${escapeLine(run.model.base.split('/').at(-1)!)}  ${rows}`;
}

/** While a submission is reconciled nothing else is seen of it. */
function reportUncertain({ terminal }: Cli, { id, status }: RunView): void {
  if (status.phase === 'uncertain') terminal.say(`${id}  its submission had no answer: looking for its job, which may take minutes …`);
}

function formatDeprecations(runs: readonly RunView[], now: Date): string[] {
  return runs.flatMap(({ id, endsOn }) => formatDeprecationNotes(endsOn, now).map(({ message }) => escapeLine(`${id}  ${message}`)));
}

/** Answers that cost, and commands that may cost, are asked only when the user says so. */
async function compareEnded(
  cli: Cli,
  orchestrator: Orchestrator,
  { job, estimate }: { job: JobSpec; estimate: Quote | null },
): Promise<Comparison[]> {
  if (!cli.quiet) cli.terminal.say('scoring the held-out rows …');
  if (estimate?.high !== 0 || hasCommands(job)) return await orchestrator.compare(job.name);
  try {
    return await orchestrator.evaluate(job.name);
  } catch (error) {
    if (!isFailure(error) || error.code === 'interrupted') throw error;
    cli.terminal.say(escapeText(error.message)); // the training went well: its result is not to be lost
    return await orchestrator.compare(job.name);
  }
}

function hasCommands({ references = {} }: JobSpec): boolean {
  return Object.values(references).some((reference) => 'command' in reference);
}

const free: Quote = { currency: 'USD', low: 0, high: 0, source: '', asOf: null };

/** How to score the models whose answers cost; null where there are none. */
function formatEvaluation(job: JobSpec, estimate: Quote | null): string | null {
  const command = `${programName} evaluate ${job.name}`;
  if (estimate === null) return `score it ${command} --max-usd DOLLARS, once ORCHESTRATE_PRICES says what an answer costs`;
  if (estimate.high === 0) return hasCommands(job) ? `score it ${command} (runs the commands of the job's references)` : null;
  const limit = Math.max(0.01, Math.ceil(estimate.high * 100) / 100);
  return `score it ${command} --max-usd ${limit} (${formatPrice(estimate)})`;
}

interface Result {
  readonly runs: readonly RunView[];
  readonly comparisons: readonly Comparison[];
  readonly evaluation: string | null;
  readonly seconds: number;
}

/** A model that was written to a repository answers on this machine, which reads classifiers only. */
function cannotPredict({ outputs, data }: RunView): boolean {
  return data.labels.length === 0 && outputs.every(({ kind }) => kind === 'repository');
}

function printResult({ terminal }: Cli, { runs, comparisons, evaluation, seconds }: Result): void {
  for (const comparison of comparisons) terminal.print(`\n${formatComparison(comparison)}`);
  terminal.print('');
  const isOnly = runs.length === 1;
  for (const run of runs) {
    if (!run.ok) {
      terminal.print(formatRunPage(run, new Date()));
      continue;
    }
    const { started, finished } = run.times;
    const training =
      started === null || finished === null ? '' : `, training ${formatSeconds((Date.parse(finished) - Date.parse(started)) / 1000)}`;
    terminal.print(`time     ${isOnly ? '' : `${run.id}: `}${formatSeconds(seconds)}${training}`);
    for (const { uri } of run.outputs) terminal.print(`model    ${escapeLine(formatLocation(uri))}`);
    if (needsDeployment(run)) terminal.print(`deploy   ${getNextCommand(run)} (costs by the hour; until then it answers nobody)`);
    else if (!cannotPredict(run)) terminal.print(`try it   ${programName} predict ${run.id} "a text of your own"`);
  }
  if (evaluation !== null) terminal.print(escapeLine(evaluation));
}

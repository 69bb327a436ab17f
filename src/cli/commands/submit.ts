import type { Quote } from '../../provider/provider.ts';
import type { Comparison } from '../../evaluate/comparison.ts';
import type { Orchestrator, Subject } from '../../orchestrator.ts';
import { failureKinds, isFailure, toFailureData, type Failure } from '../../errors.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunPlan } from '../../run/event.ts';
import type { RunView } from '../../run/run-view.ts';
import type { JobSpec } from '../../job/job-spec.ts';
import { quoteWord } from '../../lib/text.ts';
import { escapeLine, escapeText, formatJson } from '../escape.ts';
import { getOutcome, nameCommand, type Cli } from '../cli.ts';
import { listOverrides, type JobFlags } from './plan.ts';
import { formatComparison } from '../views/comparison-view.ts';
import { formatCount, formatLocation, formatSeconds } from '../views/format.ts';
import { formatPrice, formatRejection, formatWarnings, formatRunPage, getNextCommand, needsDeployment } from '../views/run-view.ts';
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
  const { target, set = [], tag, again, wait, timeout } = flags;
  const begun = performance.now();
  const since = new Date().toISOString();
  await using orchestrator = await cli.open({ mayCreateState: true });
  const job = await orchestrator.load(args[0]!, [...listOverrides(flags), ...formatTagOverrides(tag ?? {})]);
  const failures: Failure[] = [];
  const runs = await orchestrator.submit(job, {
    targets: target,
    again,
    timeoutMs: timeout,
    onPlanned: async (plans) => await reportScoring(cli, orchestrator, plans),
    onChange: (run) => reportUncertain(cli, run),
    ...(wait === true && { onFailed: (failure: Failure) => void failures.push(failure) }),
  });
  printSubmitted(cli, runs, since);
  if (wait !== true) {
    if (cli.json) cli.terminal.print(formatJson({ runs }));
    else if (!cli.quiet) for (const run of runs) cli.terminal.say(`next: ${getNextCommand(run)}`);
    return runs.some((run) => run.attention || run.status.phase === 'rejected') ? getOutcome(runs) : 0;
  }
  const [failure] = failures;
  if (failure !== undefined) cli.terminal.say(`${failure.message}${failure.hint === null ? '' : `\n  ${failure.hint}`}`);
  const getLeftMs = (): number => Math.max(0, (timeout ?? 0) - (performance.now() - begun));
  const timeoutMs = timeout === undefined ? undefined : getLeftMs();
  const ended = await followRuns(cli, orchestrator, { addresses: runs.map((run) => run.id), timeoutMs });
  const isScored = ended.some((run) => run.ok);
  const { subject, address } = await findSubject(orchestrator, ended, { job: job.spec.name, path: set.length === 0 ? args[0]! : null });
  const estimate = isScored ? await orchestrator.estimate(subject) : free;
  const comparisons = isScored
    ? await compareEnded(cli, orchestrator, { job: job.spec, subject, estimate, hasRows: ended.some(hasTestRows) })
    : [];
  if (cli.json) cli.terminal.print(formatJson({ runs: ended, comparisons, estimate, ...(failure && { error: toFailureData(failure) }) }));
  else if (!cli.quiet)
    printResult(cli, {
      runs: ended,
      comparisons,
      evaluation: formatEvaluation(job.spec, address, estimate),
      seconds: (performance.now() - begun) / 1000,
    });
  if (failure === undefined) {
    const isOver = timeout !== undefined && getLeftMs() === 0;
    return isOver && ended.some((run) => !run.terminal && !run.attention) ? 101 : getOutcome(ended);
  }
  if (!cli.json) cli.terminal.say(failure.message);
  return failureKinds[failure.code].exit;
}

/** What is scored: the job by its name where these are its newest runs, else just these runs; and how a person names it. */
async function findSubject(
  orchestrator: Orchestrator,
  runs: readonly RunView[],
  { job, path }: { readonly job: string; readonly path: string | null },
): Promise<{ subject: Subject; address: string }> {
  const listed = await orchestrator.list(job, { look: 'never' });
  const newest = runs.every((run) => listed.find(({ target }) => target === run.target)?.key === run.key);
  return newest
    ? { subject: job, address: job }
    : { subject: runs.map(({ id }) => id), address: path === null ? runs[0]!.id : quoteWord(path) };
}

/** Tags of the command line stand beside those of the job file. */
function formatTagOverrides(tags: Readonly<Record<string, string>>): string[] {
  return Object.entries(tags).map(([name, value]) => `tags.${name}=${JSON.stringify(value)}`);
}

/** @param since when the command began: a run that is older was submitted before */
function printSubmitted({ terminal, quiet }: Cli, runs: readonly RunView[], since: string): void {
  if (quiet) for (const run of runs) terminal.print(run.id);
  else {
    for (const run of runs) {
      terminal.say(formatSubmitted(run, since));
      if (run.status.phase === 'rejected') for (const line of formatRejection(run)) terminal.say(line);
    }
    for (const note of formatDeprecations(runs, new Date())) terminal.say(note);
  }
}

function formatSubmitted(run: RunView, since: string): string {
  const rows = `${formatCount(run.data.train.rows)} rows`;
  const verb = run.terminal && run.times.created < since ? `has ended before (${run.status.phase})` : run.status.phase;
  return `${run.id}  ${verb}  ${run.provider}  ${escapeLine(run.model.base.split('/').at(-1)!)}  ${rows}`;
}

/** Said before anything costs. */
async function reportScoring({ terminal, quiet }: Cli, orchestrator: Orchestrator, plans: readonly RunPlan[]): Promise<void> {
  if (quiet) return;
  const scoring = await orchestrator.describeScoring(plans);
  for (const [i, { problem }] of scoring.entries()) {
    const { job, target } = plans[i]!.spec;
    if (problem !== null) terminal.say(`${job}/${target}  its model cannot be scored: ${problem}`);
  }
}

/** While a submission is reconciled nothing else is seen of it. */
function reportUncertain({ terminal }: Cli, { id, status }: RunView): void {
  if (status.phase === 'uncertain') terminal.say(`${id}  its submission had no answer: looking for its job, which may take minutes …`);
}

function formatDeprecations(runs: readonly RunView[], now: Date): string[] {
  return runs.flatMap(({ id, endsOn }) => formatDeprecationNotes(endsOn, now).map(({ message }) => escapeLine(`${id}  ${message}`)));
}

function hasTestRows({ ok, data }: RunView): boolean {
  return ok && Object.values(data.test).some(({ rows }) => rows > 0);
}

/** Answers that cost, and commands that may cost, are asked only when the user says so. */
async function compareEnded(
  cli: Cli,
  orchestrator: Orchestrator,
  { job, subject, estimate, hasRows }: { job: JobSpec; subject: Subject; estimate: Quote | null; hasRows: boolean },
): Promise<Comparison[]> {
  if (!cli.quiet && hasRows) cli.terminal.say('scoring the held-out rows …');
  if (estimate?.high !== 0 || hasCommands(job)) return await orchestrator.compare(subject);
  try {
    return await orchestrator.evaluate(subject);
  } catch (error) {
    if (!isFailure(error) || error.code === 'interrupted') throw error;
    cli.terminal.say(escapeText(error.message)); // the training went well: its result is not to be lost
    return await orchestrator.compare(subject);
  }
}

function hasCommands({ references = {} }: JobSpec): boolean {
  return Object.values(references).some((reference) => 'command' in reference);
}

const free: Quote = { currency: 'USD', low: 0, high: 0, source: '', asOf: null };

/** How to score the models whose answers cost; null where there are none. */
function formatEvaluation(job: JobSpec, address: string, estimate: Quote | null): string | null {
  const command = nameCommand(`evaluate ${address}`);
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
  for (const comparison of comparisons) terminal.print(`\n${formatComparison(comparison, terminal.width)}`);
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
    if (comparisons.length === 0) for (const note of formatWarnings(run)) terminal.print(note);
    for (const { uri } of run.outputs) terminal.print(`model    ${escapeLine(formatLocation(uri))}`);
    if (needsDeployment(run)) terminal.print(`deploy   ${getNextCommand(run)} (costs by the hour; until then it answers nobody)`);
    else if (!cannotPredict(run)) terminal.print(`try it   ${nameCommand(`predict ${run.id} "a text of your own"`)}`);
  }
  if (evaluation !== null) terminal.print(escapeLine(evaluation));
}

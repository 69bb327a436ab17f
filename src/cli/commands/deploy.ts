import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, toFailureData, type FailureCode } from '../../errors.ts';
import type { RunHandle } from '../../orchestrator.ts';
import type { RunView } from '../../run/run-view.ts';
import { escapeLine, formatJson } from '../escape.ts';
import { nameCommand, type Cli } from '../cli.ts';
import { formatUsd } from '../../run/budget.ts';
import { formatDeployment } from '../views/run-view.ts';

/** How often to check the time and the deployment: a machine may sleep, and another process may end the deployment. */
const checkMs = 5000;

interface DeployFlags {
  readonly hours?: number;
  readonly maxUsd?: number;
  readonly detach?: boolean;
}

/**
 * `orchestrate deploy RUN --hours N`: the tuned model answers until its time is over or Ctrl-C, and is undeployed then, whatever
 * happens; with `--detach` until `undeploy`.
 */
export async function deploy(cli: Cli, args: readonly string[], { hours, maxUsd, detach }: DeployFlags): Promise<number> {
  if (hours === undefined) throw new Failure('usage', '--hours expects how long the model is to answer, such as 1 or 0.5, found none');
  const asked = { hours, maxUsd };
  await using orchestrator = await cli.open();
  const handle = orchestrator.run(args[0]!);
  const begun = new Date().toISOString();
  if (detach === true) {
    printUp(cli, await handle.deploy(asked), { begun, until: `It costs until \`${nameCommand(`undeploy ${args[0]!}`)}\` ends it.` });
    return 0;
  }
  using leave = catchLeave(cli.signal);
  let run: RunView;
  try {
    run = await handle.deploy(asked);
  } catch (error) {
    await endAfter(cli, { handle, address: args[0]! });
    throw error;
  }
  printUp(cli, run, { begun, until: 'Ctrl-C ends it earlier.' });
  const own = orchestrator.run(run.id); // the address may be of a job with other runs
  try {
    if (!(await stayUp(cli, own, { run, signal: leave.signal }))) {
      cli.terminal.say(`${run.id}: another process has ended the deployment`);
      return 0;
    }
  } catch (error) {
    await endAfter(cli, { handle: own, address: run.id });
    throw error;
  }
  if (!cli.quiet && !leave.isAlone()) cli.terminal.say('ending the deployment …');
  const ended = await own.undeploy().catch((error: unknown) => {
    reportStillUp(cli, run.id, error);
    throw error;
  });
  if (!leave.isAlone()) printEnded(cli, ended);
  return 0;
}

interface Leave extends Disposable {
  /** Ctrl-C, or the process is asked to end, or its terminal was closed. */
  readonly signal: AbortSignal;
  /** Nobody reads what is said any more: to write to a closed terminal is an error. */
  isAlone(): boolean;
}

/** To die without a word would leave the deployment up, which costs. */
function catchLeave(interrupt: AbortSignal): Leave {
  const ending = new AbortController();
  let isAlone = false;
  const onTerminate = (): void => ending.abort();
  const onHangUp = (): void => {
    isAlone = true;
    ending.abort();
  };
  process.on('SIGTERM', onTerminate).on('SIGHUP', onHangUp);
  return {
    signal: AbortSignal.any([interrupt, ending.signal]),
    isAlone: () => isAlone,
    [Symbol.dispose]: () => void process.off('SIGTERM', onTerminate).off('SIGHUP', onHangUp),
  };
}

function printUp(cli: Cli, run: RunView, { begun, until }: { readonly begun: string; readonly until: string }): void {
  if (cli.json) cli.terminal.print(formatJson({ runs: [run] }));
  else if (cli.quiet) cli.terminal.print(run.id);
  else {
    cli.terminal.say(`${run.id} is deployed ${formatDeployment(run, new Date()) ?? ''}`);
    if (run.deployment!.since < begun) cli.terminal.say('It was asked for before: its time stays as it was.');
    cli.terminal.say(`\`${nameCommand(`evaluate ${run.job}`)}\` and \`${nameCommand(`predict ${run.id}`)}\` ask it`);
    cli.terminal.say(until);
  }
}

/** Until its time is over, or the signal; false where the deployment is not this one any more. */
async function stayUp(
  cli: Cli,
  handle: RunHandle,
  { run, signal }: { readonly run: RunView; readonly signal: AbortSignal },
): Promise<boolean> {
  const { since, until } = run.deployment!;
  for (;;) {
    const seen = await handle.view();
    if (seen.deployment?.since !== since) return false;
    const leftMs = Date.parse(until) - Date.now();
    if (leftMs <= 0 || signal.aborted) return true;
    if (cli.terminal.isWatched && !cli.json && !cli.quiet) {
      const line = escapeLine(`${run.id}  ${formatDeployment(seen, new Date()) ?? ''}`);
      cli.terminal.showLive([line.slice(0, cli.terminal.columns - 1)]); // one that is wrapped would not be cleared whole
    }
    await sleep(Math.min(leftMs, checkMs), undefined, { signal }).catch(() => {}); // an abort is seen above
  }
}

/** No run was found, so that nothing was begun. */
const noRun: readonly FailureCode[] = ['usage', 'run-not-found', 'file-missing', 'job-file-invalid'];

/** Ends what a command that failed may have begun. Where that fails too it is said beside the first failure. */
async function endAfter(cli: Cli, { handle, address }: { handle: RunHandle; address: string }): Promise<void> {
  try {
    const ended = await handle.undeploy();
    if (ended.usd !== null) printEnded(cli, ended);
  } catch (error) {
    if (!noRun.includes(toFailureData(error).code)) reportStillUp(cli, address, error);
  }
}

function reportStillUp(cli: Cli, address: string, error: unknown): void {
  cli.terminal.say(`the deployment may be up and cost on: \`${nameCommand(`undeploy ${address}`)}\` ends it`);
  cli.terminal.say(`it could not be ended now: ${toFailureData(error).message}`);
}

/** `orchestrate undeploy RUN`: ends the deployment of its model. */
export async function undeploy(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  printEnded(cli, await orchestrator.run(args[0]!).undeploy());
  return 0;
}

/** @param ended what `RunHandle.undeploy` gave */
function printEnded(cli: Cli, { run, usd }: { readonly run: RunView; readonly usd: number | null }): void {
  if (cli.json) cli.terminal.print(formatJson({ runs: [run], usd }));
  else if (cli.quiet) cli.terminal.print(run.id);
  else if (usd === null) cli.terminal.say(`${run.id} is not deployed`);
  else cli.terminal.say(`${run.id} is no longer deployed; ${usd === 0 ? 'it cost nothing' : `it cost ${formatUsd(usd)}`}`);
}

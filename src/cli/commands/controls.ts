import { Failure } from '../../errors.ts';
import type { Decision } from '../../run/controls.ts';
import type { RunView } from '../../run/run-view.ts';
import { printRuns, type Cli } from '../cli.ts';
import { formatRunPage, getNextCommand } from '../views/run-view.ts';

/** `orchestrate pause RUN`: asks for a stop from which the job can go on. */
export async function pause(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  return printAsked(cli, await orchestrator.run(args[0]!).pause(), 'asked to pause');
}

/** `orchestrate resume RUN`: lets a paused or interrupted run go on. */
export async function resume(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  return printAsked(cli, [await orchestrator.run(args[0]!).resume()], 'goes on');
}

/** `orchestrate cancel RUN`: asks; the run is cancelled when its provider says so. */
export async function cancel(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  return printAsked(cli, await orchestrator.run(args[0]!).cancel(), 'asked to stop');
}

function printAsked(cli: Cli, runs: readonly RunView[], asked: string): number {
  printRuns(cli, runs, () => {
    for (const run of runs) cli.terminal.say(`${run.id}  ${run.terminal ? run.status.phase : asked}; next: ${getNextCommand(run)}`);
  });
  return 0;
}

interface ResolveFlags {
  readonly adopt?: string;
  readonly absent?: boolean;
  readonly cancel?: boolean;
}

/** `orchestrate resolve RUN --adopt ID | --absent | --cancel`: decides about a submission without an answer. */
export async function resolve(cli: Cli, args: readonly string[], flags: ResolveFlags): Promise<number> {
  const decision = parseDecision(flags);
  await using orchestrator = await cli.open();
  const run = await orchestrator.run(args[0]!).resolve(decision);
  printRuns(cli, [run], () => cli.terminal.print(formatRunPage(run, new Date())));
  return 0;
}

/** @throws Failure `usage` */
function parseDecision({ adopt, absent, cancel: isCancelled }: ResolveFlags): Decision {
  const decisions: Decision[] = [
    ...(adopt === undefined ? [] : [{ kind: 'adopt', id: adopt } as const]),
    ...(absent === true ? [{ kind: 'absent' } as const] : []),
    ...(isCancelled === true ? [{ kind: 'cancel' } as const] : []),
  ];
  if (decisions.length === 1) return decisions[0]!;
  throw new Failure('usage', `expected one of --adopt ID, --absent and --cancel, found ${decisions.length === 0 ? 'none' : 'several'}`);
}

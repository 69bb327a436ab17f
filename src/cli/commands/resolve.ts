import { Failure } from '../../errors.ts';
import type { Decision } from '../../run/controls.ts';
import type { CommandFunction } from '../cli.ts';
import { toRunPage } from '../views/run-view-text.ts';

/** `orchestrate resolve RUN --adopt ID | --absent | --cancel`: decides about a submission without an answer. */
export const resolve: CommandFunction = async (cli, args, flags) => {
  const decision = parseDecision(flags);
  await using orchestrator = await cli.open();
  const run = await orchestrator.run(args[0]!).resolve(decision);
  if (cli.json) cli.terminal.print(JSON.stringify({ runs: [run] }));
  else if (cli.quiet) cli.terminal.print(run.id);
  else cli.terminal.print(toRunPage(run, new Date()));
  return 0;
};

function parseDecision({ adopt, absent, cancel }: Readonly<Record<string, unknown>>): Decision {
  const decisions: Decision[] = [
    ...(typeof adopt === 'string' ? [{ kind: 'adopt', id: adopt } as const] : []),
    ...(absent === true ? [{ kind: 'absent' } as const] : []),
    ...(cancel === true ? [{ kind: 'cancel' } as const] : []),
  ];
  if (decisions.length === 1) return decisions[0]!;
  throw new Failure('usage', `expected one of --adopt ID, --absent and --cancel, found ${decisions.length === 0 ? 'none' : 'several'}`);
}

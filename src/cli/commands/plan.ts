import type { Cli } from '../cli.ts';
import { toPlanJson, toPlanText } from '../views/plan-view.ts';

/** `orchestrate plan JOB`: what each target would be asked. */
export async function plan(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { target, set } = flags as { target?: string[]; set?: string[] };
  await using orchestrator = await cli.open();
  const plans = await orchestrator.plan(await orchestrator.load(args[0]!, set), { targets: target });
  if (cli.json) cli.terminal.print(JSON.stringify({ plans: plans.map(toPlanJson) }));
  else cli.terminal.print(plans.map(toPlanText).join('\n\n'));
  return 0;
}

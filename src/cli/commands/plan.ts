import type { Cli } from '../cli.ts';
import { toBudgetText, toPlanJson, toPlanText } from '../views/plan-view.ts';

/** `orchestrate plan JOB`: what each target would be asked. */
export async function plan(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { target, set } = flags as { target?: string[]; set?: string[] };
  await using orchestrator = await cli.open();
  const plans = await orchestrator.plan(await orchestrator.load(args[0]!, set), { targets: target });
  const providers = new Map((await orchestrator.providers()).map((provider) => [provider.id, provider]));
  const views = plans.map((one) => ({
    plan: one,
    requests: providers.get(one.spec.provider)?.training.preview?.(one.request, one) ?? null,
  }));
  const budget = await orchestrator.budget(plans);
  const budgetText = toBudgetText(budget);
  if (cli.json) cli.terminal.print(JSON.stringify({ plans: views.map(toPlanJson), budget }));
  else
    cli.terminal.print([...views.map((view) => toPlanText(view, new Date())), ...(budgetText === null ? [] : [budgetText])].join('\n\n'));
  return 0;
}

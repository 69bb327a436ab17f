import type { Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { formatBudget, formatPlan, toPlanJson } from '../views/plan-view.ts';

/** What `submit` and `plan` understand of a job file beside its path. */
export interface JobFlags {
  readonly target?: readonly string[];
  readonly set?: readonly string[];
  readonly allowSecrets?: boolean;
}

/** What the flags change of a job, as `--set` says it. */
export function listOverrides({ set = [], allowSecrets = false }: JobFlags): string[] {
  return [...set, ...(allowSecrets ? ['data.allowSecrets=true'] : [])];
}

/** `orchestrate plan JOB`: what each target would be asked. */
export async function plan(cli: Cli, args: readonly string[], flags: JobFlags): Promise<number> {
  await using orchestrator = await cli.open();
  const plans = await orchestrator.plan(await orchestrator.load(args[0]!, listOverrides(flags)), { targets: flags.target });
  const providers = new Map((await orchestrator.providers()).map((provider) => [provider.id, provider]));
  const scoring = await orchestrator.describeScoring(plans);
  const tokens = await orchestrator.describeTokens(plans);
  const views = plans.map((one, i) => ({
    plan: one,
    scoring: scoring[i]!,
    tokens: tokens[i]!,
    requests: providers.get(one.spec.provider)?.training.preview?.(one.request, one) ?? null,
  }));
  const budget = await orchestrator.budget(plans);
  if (cli.json) cli.terminal.print(formatJson({ plans: views.map(toPlanJson), budget }));
  else {
    const pages = views.map((view) => formatPlan(view, new Date()));
    cli.terminal.print([...pages, formatBudget(budget)].filter((page) => page !== null).join('\n\n'));
  }
  return 0;
}

/** `orchestrate schema`: the JSON Schema of the job file, for editors. */
export async function schema(cli: Cli): Promise<number> {
  const { buildJobSchema } = await import('../../job/job-spec.ts');
  cli.terminal.print(formatJson(buildJobSchema(), 2));
  return 0;
}

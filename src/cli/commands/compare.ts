import type { Cli } from '../cli.ts';
import { parseComparing, tellUnmet } from '../comparing.ts';
import { nothingToCompare, toComparisonText } from '../views/comparison-view.ts';

/** `orchestrate compare JOB`: for each held-out set the scores, the difference and the verdict. */
export async function compare(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { requirement, ...options } = parseComparing(flags);
  await using orchestrator = await cli.open();
  const comparisons = await orchestrator.compare(args[0]!, options);
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(JSON.stringify(comparison));
  else if (comparisons.length === 0) cli.terminal.say(nothingToCompare);
  else cli.terminal.print(comparisons.map(toComparisonText).join('\n\n'));
  return tellUnmet(cli, comparisons, requirement);
}

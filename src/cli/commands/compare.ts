import type { Cli } from '../cli.ts';
import { nothingToCompare, toComparisonText } from '../views/comparison-view.ts';

/** `orchestrate compare JOB`: for each held-out set the scores, the difference and the verdict. */
export async function compare(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const comparisons = await orchestrator.compare(args[0]!);
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(JSON.stringify(comparison));
  else if (comparisons.length === 0) cli.terminal.say(nothingToCompare);
  else cli.terminal.print(comparisons.map(toComparisonText).join('\n\n'));
  return 0;
}

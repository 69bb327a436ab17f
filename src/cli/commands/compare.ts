import type { Cli } from '../cli.ts';
import { toComparisonText } from '../views/comparison-view.ts';

/** `orchestrate compare JOB`: for each held-out set the scores, the difference and the verdict. */
export async function compare(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const comparisons = await orchestrator.compare(args[0]!);
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(JSON.stringify(comparison));
  else if (comparisons.length === 0)
    cli.terminal.say('nothing to compare: the job has no held-out rows (data.test), or no provider of its runs answers rows');
  else cli.terminal.print(comparisons.map(toComparisonText).join('\n\n'));
  return 0;
}

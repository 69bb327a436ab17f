import type { Cli } from '../cli.ts';
import { parseCount } from '../parse-flags.ts';
import { toScoresText } from '../views/comparison-view.ts';

/** `orchestrate evaluate JOB`: has every finished run answer the held-out rows, and prints the scores in full. */
export async function evaluate(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const limit = typeof flags['limit'] === 'string' ? parseCount('--limit', flags['limit']) : undefined;
  await using orchestrator = await cli.open();
  const comparisons = await orchestrator.evaluate(args[0]!, { limit });
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(JSON.stringify(comparison));
  else if (comparisons.length === 0)
    cli.terminal.say('nothing to compare: the job has no held-out rows (data.test), or no provider of its runs answers rows');
  else cli.terminal.print(comparisons.map(toScoresText).join('\n\n'));
  return 0;
}

import type { Cli } from '../cli.ts';
import { parseComparing, tellUnmet } from '../comparing.ts';
import { parseCount } from '../parse-flags.ts';
import { parseUsd } from '../parse-usd.ts';
import { nothingToCompare, toScoresText } from '../views/comparison-view.ts';

/** `orchestrate evaluate JOB`: has every finished run answer the held-out rows, and prints the scores in full. */
export async function evaluate(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const limit = typeof flags['limit'] === 'string' ? parseCount('--limit', flags['limit']) : undefined;
  const maxUsd = parseUsd('--max-usd', flags['maxUsd']);
  const { requirement, ...options } = parseComparing(flags);
  await using orchestrator = await cli.open();
  const comparisons = await orchestrator.evaluate(args[0]!, { limit, maxUsd, ...options });
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(JSON.stringify(comparison));
  else if (comparisons.length === 0) cli.terminal.say(nothingToCompare);
  else cli.terminal.print(comparisons.map(toScoresText).join('\n\n'));
  return tellUnmet(cli, comparisons, requirement);
}

import { listFailedRequirements, listHollowResults, type Comparison } from '../../evaluate/comparison.ts';
import { measures, mostFrequent } from '../../evaluate/measures.ts';
import { Failure } from '../../errors.ts';
import type { Measure } from '../../job/measures.ts';
import type { Cli } from '../cli.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { VerdictFlags } from '../options.ts';
import { formatComparison, formatScores, nothingToCompare } from '../views/comparison-view.ts';

interface CompareFlags extends VerdictFlags {
  readonly candidate?: string;
  readonly measure?: Measure;
}

interface EvaluateFlags extends VerdictFlags {
  readonly limit?: number;
  readonly maxUsd?: number;
}

/** `orchestrate compare JOB`: for each held-out set the scores, the difference and the verdict. */
export async function compare(cli: Cli, args: readonly string[], flags: CompareFlags): Promise<number> {
  if (flags.candidate !== undefined) return await compareWithFile(cli, args, { ...flags, candidate: flags.candidate });
  if (flags.measure !== undefined) {
    throw new Failure('usage', '--measure goes with --candidate: a job is compared by its evaluation.measure');
  }
  if (args.length === 0) throw new Failure('usage', 'expected a job, or --candidate FILE with --reference FILE; found neither');
  await using orchestrator = await cli.open();
  return printComparisons(cli, await orchestrator.compare(args[0]!, flags), { flags, format: formatComparison });
}

/** Models that were trained anywhere, by their answers. */
async function compareWithFile(cli: Cli, args: readonly string[], flags: CompareFlags & { readonly candidate: string }): Promise<number> {
  const { candidate, reference, margin, measure } = flags;
  if (args.length > 0) throw new Failure('usage', `expected a job or --candidate, found both: ${args[0]} and ${candidate}`);
  if (reference === undefined) throw new Failure('usage', 'expected --reference FILE beside --candidate, found none');
  const { compareFiles } = await import('../../evaluate/compare-files.ts');
  return printComparisons(cli, [await compareFiles({ candidate, reference, margin, measure })], { flags, format: formatComparison });
}

/** `orchestrate evaluate JOB`: has every finished run answer the held-out rows, and prints the scores in full. */
export async function evaluate(cli: Cli, args: readonly string[], flags: EvaluateFlags): Promise<number> {
  await using orchestrator = await cli.open();
  return printComparisons(cli, await orchestrator.evaluate(args[0]!, flags), { flags, format: formatScores });
}

/** `reviews/gpt: better` for each tuned model. */
function listVerdicts({ candidates, measure }: Comparison): string[] {
  return candidates.flatMap(({ run, name, verdict, beatsMajority }) => {
    const isGood = verdict !== 'worse' && verdict !== 'cannot tell';
    const worth = isGood && beatsMajority === false ? ` (no better than the ${measures[measure].rule ?? mostFrequent})` : '';
    return verdict === null ? [] : `${escapeLine(run ?? name)}: ${verdict}${worth}`;
  });
}

/** Gives the exit status: 104 where a tuned model does not reach what is required, with a line about each that does not. */
function printComparisons(
  cli: Cli,
  comparisons: readonly Comparison[],
  { flags: { require }, format }: { readonly flags: VerdictFlags; readonly format: (comparison: Comparison, width: number) => string },
): number {
  if (cli.json) for (const comparison of comparisons) cli.terminal.print(formatJson(comparison));
  else if (comparisons.length === 0) cli.terminal.say(nothingToCompare);
  else if (cli.quiet) for (const line of comparisons.flatMap(listVerdicts)) cli.terminal.print(line);
  else cli.terminal.print(comparisons.map((comparison) => format(comparison, cli.terminal.width)).join('\n\n'));
  const failed = require === undefined ? [] : listFailedRequirements(comparisons, require);
  const hollow = require === undefined ? [] : listHollowResults(comparisons, require);
  for (const finding of [...failed, ...hollow]) cli.terminal.say(`--require ${require}: ${finding}`);
  return failed.length > 0 ? 104 : 0;
}

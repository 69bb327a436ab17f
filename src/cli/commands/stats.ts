import { failureKinds } from '../../errors.ts';
import type { Cli } from '../cli.ts';
import { openDataSources } from '../data-sources.ts';
import { escapeText, formatJson } from '../escape.ts';
import { toSkippedData } from '../views/rows-view.ts';
import { formatStats } from '../views/stats-view.ts';
import type { RowFlags } from './convert.ts';
import { loadTokenizer } from './data.ts';

interface StatsFlags extends RowFlags {
  readonly tokenizer?: string;
}

/** `orchestrate data stats FILES`: prints what the rows are, in numbers; 65 where some cannot be used. */
export async function stats(cli: Cli, files: readonly string[], { tokenizer, columns = {}, task, quote }: StatsFlags): Promise<number> {
  const { measureRows } = await import('../../prepare/stats.ts');
  const tokens = tokenizer === undefined ? null : await loadTokenizer(cli, tokenizer);
  await using sources = await openDataSources(cli, files);
  const measured = await measureRows({ paths: sources.find(files), columns, quote, ...(task !== undefined && { task }) }, tokens);
  const { skipped } = measured;
  if (cli.json) cli.terminal.print(formatJson({ schema: 'orchestrate.stats/1', ...measured, skipped: skipped.map(toSkippedData) }));
  else if (cli.quiet) cli.terminal.print(String(measured.rows));
  else cli.terminal.print(escapeText(formatStats(measured)));
  return skipped.length > 0 ? failureKinds['data-invalid'].exit : 0;
}

import { escapeLine } from '../escape.ts';
import type { Cli } from '../cli.ts';
import { parseCount } from '../parse-flags.ts';

/** `orchestrate logs RUN`. */
export async function logs(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  await using orchestrator = await cli.open();
  const all = await orchestrator.run(args[0]!).logs();
  const lines = typeof flags['limit'] === 'string' ? all.slice(-parseCount('--limit', flags['limit'])) : all;
  for (const line of lines) cli.terminal.print(cli.json ? JSON.stringify(line) : `${line.at}  ${escapeLine(line.text)}`);
  if (lines.length === 0 && !cli.json) cli.terminal.say('no log yet');
  return 0;
}

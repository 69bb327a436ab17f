import { escapeLine } from '../escape.ts';
import type { Cli } from '../cli.ts';

/** `orchestrate logs RUN`. */
export async function logs(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const lines = await orchestrator.logs(args[0]!);
  for (const line of lines) cli.terminal.print(cli.json ? JSON.stringify(line) : `${line.at}  ${escapeLine(line.text)}`);
  if (lines.length === 0 && !cli.json) cli.terminal.say('no log yet');
  return 0;
}

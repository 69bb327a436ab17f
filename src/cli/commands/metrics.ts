import type { Cli } from '../cli.ts';
import { formatTable } from '../views/format.ts';

/** `orchestrate metrics RUN`. */
export async function metrics(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const found = await orchestrator.metrics(args[0]!);
  if (cli.json) for (const metric of found) cli.terminal.print(JSON.stringify(metric));
  else if (found.length === 0) cli.terminal.say('nothing has been measured yet');
  else {
    const rows = found.map(({ step, epoch, split, name, value }) => [
      String(step ?? ''),
      epoch === null ? '' : epoch.toFixed(2),
      split,
      name,
      Number(value.toPrecision(6)).toString(),
    ]);
    cli.terminal.print(formatTable([['STEP', 'EPOCH', 'SPLIT', 'NAME', 'VALUE'], ...rows], [0, 1]));
  }
  return 0;
}

import type { Metric } from '../../provider/metric.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { Cli } from '../cli.ts';
import { formatTable } from '../views/format.ts';

/** `orchestrate metrics RUN`; with `--quiet` the last value of each metric. */
export async function metrics(cli: Cli, args: readonly string[], { limit }: { readonly limit?: number }): Promise<number> {
  await using orchestrator = await cli.open();
  const all = await orchestrator.run(args[0]!).metrics();
  const found = limit === undefined ? all : all.slice(-limit);
  if (cli.json) for (const metric of found) cli.terminal.print(formatJson(metric));
  else if (found.length === 0) cli.terminal.say('nothing has been measured yet');
  else if (cli.quiet) for (const [name, value] of getLastValues(found)) cli.terminal.print(`${escapeLine(name)} ${value}`);
  else {
    const rows = found.map(({ step, epoch, split, name, value, coverage }) => [
      String(step ?? ''),
      epoch === null ? '' : epoch.toFixed(2),
      escapeLine(split),
      escapeLine(name),
      Number(value.toPrecision(6)).toString(),
      coverage === 'unreported' ? '' : coverage === 'full' ? 'all rows' : 'a batch',
    ]);
    cli.terminal.print(
      formatTable([['STEP', 'EPOCH', 'SPLIT', 'NAME', 'VALUE', 'OVER'], ...rows], {
        right: [0, 1],
        width: cli.terminal.width,
        importance: [0, 2, 3, 4],
      }),
    );
  }
  return 0;
}

function getLastValues(metrics: readonly Metric[]): Map<string, number> {
  return new Map(metrics.map(({ split, name, value }) => [`${split}/${name}`, value]));
}

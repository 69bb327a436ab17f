import { Failure } from '../../errors.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import { escapeLine, formatJson } from '../escape.ts';
import { nameCommand, type Cli } from '../cli.ts';
import { formatTime } from '../views/format.ts';

interface LogFlags {
  readonly limit?: number;
  readonly follow?: boolean;
}

/** `orchestrate logs RUN`; with `--follow` new lines too, until the run has ended. */
export async function logs(cli: Cli, args: readonly string[], flags: LogFlags): Promise<number> {
  await using orchestrator = await cli.open();
  const all = await orchestrator.run(args[0]!).logs();
  const first = Math.max(0, all.length - (flags.limit ?? Infinity));
  printLines(cli, all.slice(first));
  const known = flags.follow === true ? await follow(cli, orchestrator, { address: args[0]!, known: all.length }) : all.length;
  if (known === first && !cli.json) cli.terminal.say('no log yet');
  return 0;
}

type Line = Awaited<ReturnType<ReturnType<Orchestrator['run']>['logs']>>[number];

function printLines({ json, terminal }: Cli, lines: readonly Line[]): void {
  for (const line of lines) terminal.print(json ? formatJson(line) : `${escapeLine(formatTime(line.at))}  ${escapeLine(line.text)}`);
}

/** Prints what each poll of the run brings, and gives the number of lines at its end. */
async function follow(
  cli: Cli,
  orchestrator: Orchestrator,
  { address, known }: { readonly address: string; readonly known: number },
): Promise<number> {
  // This very run, though the same job may be submitted again meanwhile.
  const { job, target, number } = await orchestrator.run(address).view();
  const run = `${job}/${target}#${number}`;
  let count = known;
  try {
    for await (const _ of orchestrator.watch([run])) {
      const fresh = (await orchestrator.run(run).logs()).slice(count);
      printLines(cli, fresh);
      count += fresh.length;
    }
  } catch (error) {
    if (!cli.signal.aborted) throw error;
    cli.terminal.say(`the run goes on; \`${nameCommand(`logs ${address} --follow`)}\` follows it again`);
    throw new Failure('interrupted', 'stopped following', { error });
  }
  return count;
}

import type { Cli } from '../cli.ts';
import { formatTable } from '../views/format.ts';

const abilities = ['cancel', 'predict', 'quote'] as const;

/** `orchestrate providers`: which providers there are, and what each can do beside training. */
export async function providers(cli: Cli): Promise<number> {
  await using orchestrator = await cli.open();
  const found = (await orchestrator.providers()).map((provider) => ({
    id: provider.id,
    can: abilities.filter((ability) => provider[ability] !== undefined),
  }));
  if (cli.json) cli.terminal.print(JSON.stringify({ providers: found }));
  else if (cli.quiet) for (const { id } of found) cli.terminal.print(id);
  else cli.terminal.print(formatTable([['PROVIDER', 'CAN'], ...found.map(({ id, can }) => [id, ['train', ...can].join(', ')])]));
  return 0;
}

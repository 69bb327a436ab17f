import type { Provider } from '../../provider/provider.ts';
import type { Cli } from '../cli.ts';
import { formatTable } from '../views/format.ts';

function listAbilities({ training, inference, deployments, account }: Provider): string[] {
  const abilities = {
    cancel: training.cancel,
    pause: training.pause,
    quote: training.quote,
    predict: inference?.predict ?? inference?.download,
  };
  return Object.entries({ ...abilities, deploy: deployments, import: account?.fetchJob }).flatMap(([name, can]) =>
    can === undefined ? [] : name,
  );
}

/** `orchestrate providers`: which providers there are, and what each can do beside training. */
export async function providers(cli: Cli): Promise<number> {
  await using orchestrator = await cli.open();
  const found = (await orchestrator.providers()).map((provider) => ({
    id: provider.id,
    can: listAbilities(provider),
  }));
  if (cli.json) cli.terminal.print(JSON.stringify({ providers: found }));
  else if (cli.quiet) for (const { id } of found) cli.terminal.print(id);
  else cli.terminal.print(formatTable([['PROVIDER', 'CAN'], ...found.map(({ id, can }) => [id, ['train', ...can].join(', ')])]));
  return 0;
}

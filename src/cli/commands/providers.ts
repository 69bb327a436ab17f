import type { Provider } from '../../provider/provider.ts';
import type { Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { formatModels, formatSizes } from '../views/account-view.ts';
import { formatTable } from '../views/format.ts';

/** `orchestrate providers`: which providers there are, and what each can do. */
export async function providers(cli: Cli): Promise<number> {
  await using orchestrator = await cli.open();
  const found = (await orchestrator.providers()).map((provider) => ({ id: provider.id, can: listAbilities(provider) }));
  if (cli.json) cli.terminal.print(formatJson({ providers: found }));
  else if (cli.quiet) for (const { id } of found) cli.terminal.print(id);
  else
    cli.terminal.print(
      formatTable([['PROVIDER', 'CAN'], ...found.map(({ id, can }) => [id, ['train', ...can].join(', ')])], { width: cli.terminal.width }),
    );
  return 0;
}

function listAbilities({ training, inference, deployments, account }: Provider): string[] {
  const abilities = {
    cancel: training.cancel,
    pause: training.pause,
    quote: training.quote,
    predict: inference?.predict ?? inference?.download,
    deploy: deployments,
    import: account?.fetchJob,
  };
  return Object.entries(abilities).flatMap(([name, can]) => (can === undefined ? [] : name));
}

/** `orchestrate models SERVICE`: what can be tuned there, what was, and when each model is shut down. */
export async function models(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const sizes = (await orchestrator.providers()).find(({ id }) => id === args[0])?.training.sizes?.();
  if (sizes !== undefined) {
    if (cli.json) cli.terminal.print(formatJson(sizes));
    else if (cli.quiet) for (const { examples } of sizes.sizes) for (const name of examples) cli.terminal.print(name);
    else cli.terminal.print(formatSizes(sizes, cli.terminal.width));
    return 0;
  }
  const found = await orchestrator.models(args[0]!);
  if (cli.json) cli.terminal.print(formatJson({ models: found }));
  else if (cli.quiet) for (const { name } of found) cli.terminal.print(name);
  else if (found.length === 0) cli.terminal.say('no models that can be tuned, and no tuned ones');
  else cli.terminal.print(formatModels(found, new Date(), cli.terminal.width));
  return 0;
}

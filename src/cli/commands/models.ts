import type { Cli } from '../cli.ts';
import { toModelsText } from '../views/models-view.ts';

/** `orchestrate models SERVICE`: what can be tuned there, what was, and when each ends. */
export async function models(cli: Cli, args: readonly string[]): Promise<number> {
  await using orchestrator = await cli.open();
  const found = await orchestrator.models(args[0]!);
  if (cli.json) cli.terminal.print(JSON.stringify({ models: found }));
  else if (cli.quiet) for (const { name } of found) cli.terminal.print(name);
  else if (found.length === 0) cli.terminal.say('no models that can be tuned, and none that were');
  else cli.terminal.print(toModelsText(found, new Date()));
  return 0;
}

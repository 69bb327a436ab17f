import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure } from '../../errors.ts';
import type { Sandbox } from '../../sandbox/main.ts';
import type { Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { createSandboxTrainer } from '../sandbox-trainer.ts';
import { fixtures } from './init.ts';

/** `orchestrate sandbox`: a stand-in of the hosted services until Ctrl-C; prints what to set so that programs speak with it. */
export async function sandbox(cli: Cli, _args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const base = findBaseModel(flags['baseModel']);
  await using running = await start(parsePort(flags['port']), base);
  const env = { ...running.env, ...running.azureEnv };
  if (cli.json) cli.terminal.print(formatJson({ env }));
  else {
    const variables = Object.entries(env);
    cli.terminal.print(variables.map(([name, value]) => `export ${name}=${value}`).join('\n'));
    if (!cli.quiet) cli.terminal.say('The sandbox answers until Ctrl-C. It costs nothing.');
    if (!cli.quiet && base === null) cli.terminal.say('Without --base-model FOLDER, jobs of its Hub that train classifiers fail.');
  }
  if (!cli.signal.aborted) await once(cli.signal, 'abort');
  return 0;
}

async function start(port: number, base: string | null): Promise<Sandbox> {
  const { startSandbox } = await import('../../sandbox/main.ts');
  try {
    return await startSandbox({ port, ...(base === null ? {} : { trainModel: createSandboxTrainer(base) }) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('service-unavailable', `expected port ${port} of 127.0.0.1 to be free: ${reason}`, {
      hint: 'leave out --port, and the sandbox chooses a free one',
      error,
    });
  }
}

/** The folder that stands in for base models: that of the sample where the user names none. */
function findBaseModel(flag: unknown): string | null {
  if (typeof flag === 'string') {
    if (existsSync(resolve(flag, 'config.json'))) return resolve(flag);
    throw new Failure('file-missing', `expected a folder with a config.json for --base-model, found none at ${flag}`);
  }
  const own = join(fixtures, 'models/tiny-bert');
  return existsSync(own) ? own : null;
}

function parsePort(flag: unknown): number {
  const port = flag === undefined ? 0 : Number(flag);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Failure('usage', `expected a port from 0 to 65535 for --port, found ${String(flag)}`);
  return port;
}

import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
  await using running = await start(typeof flags['port'] === 'number' ? flags['port'] : 0, base);
  // The models of its OpenAI, once more, as anybody serves one.
  const served = { ENDPOINT_BASE_URL: running.env.OPENAI_BASE_URL, ENDPOINT_API_KEY: running.env.OPENAI_API_KEY };
  const env = { ...running.env, ...running.togetherEnv, ...running.azureEnv, ...served };
  if (cli.json) cli.terminal.print(formatJson({ env }));
  else {
    const variables = Object.entries(env);
    cli.terminal.print(variables.map(([name, value]) => `export ${name}=${value}`).join('\n'));
    if (!cli.quiet) cli.terminal.say('The sandbox answers until Ctrl-C. It costs nothing.');
    if (!cli.quiet && base !== null) cli.terminal.say(`Its Hub has a small BERT with weights: hub:${publicModel}`);
    if (!cli.quiet && base === null) cli.terminal.say('Without --base-model FOLDER, jobs of its Hub that train classifiers fail.');
  }
  if (!cli.signal.aborted) await once(cli.signal, 'abort');
  return 0;
}

const sampleModel = join(fixtures, 'models/tiny-bert');

/** Under this name the sandbox's Hub has the base model, with its weights. */
const publicModel = 'orchestrate/tiny-bert';

function readModel(folder: string): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? entry.name : []));
  const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
  const card = Buffer.from('---\nlicense: apache-2.0\n---\n'); // of the sample's model, which has a NOTICE.md instead
  return folder === sampleModel ? new Map([...files, ['README.md', card]]) : files;
}

async function start(port: number, base: string | null): Promise<Sandbox> {
  const { startSandbox } = await import('../../sandbox/main.ts');
  try {
    if (base === null) return await startSandbox({ port });
    return await startSandbox({ port, trainModel: createSandboxTrainer(base), models: new Map([[publicModel, readModel(base)]]) });
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
  return existsSync(sampleModel) ? sampleModel : null;
}

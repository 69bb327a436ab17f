import { existsSync } from 'node:fs';
import type { CaptureProgress } from '../../evaluate/capture.ts';
import { Failure } from '../../errors.ts';
import type { Cli } from '../cli.ts';
import { parseCount } from '../parse-flags.ts';
import { parseUsd } from '../parse-usd.ts';
import { createCaptureLog, toCaptureLine, toCaptureText } from '../views/capture-view.ts';

interface Flags {
  readonly data?: string;
  readonly job?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly maxTokens?: string;
  readonly temperature?: string;
  readonly columns?: string;
  readonly out?: string;
  readonly maxUsd?: string;
  readonly limit?: string;
}

const jobFiles = ['job.json', 'job.jsonc', 'job.yaml'];

/** `orchestrate capture MODEL --data FILE`: has a model answer the rows, and writes a predictions file. */
export async function capture(cli: Cli, args: readonly string[], flags: Flags): Promise<number> {
  const { data, provider, model, out } = flags;
  if (data === undefined) throw new Failure('usage', 'expected --data and a file of rows that the model is to answer');
  const job = flags.job ?? (model === undefined ? jobFiles.find((path) => existsSync(path)) : undefined);
  const limit = flags.limit === undefined ? undefined : parseCount('--limit', flags.limit);
  const maxUsd = parseUsd('--max-usd', flags.maxUsd);
  const columns = flags.columns === undefined ? undefined : parseColumns(flags.columns);
  const generation = parseGeneration(flags);
  const show = toShow(cli);
  let last: CaptureProgress | null = null;
  const onProgress = (progress: CaptureProgress): void => show((last = progress));
  await using orchestrator = await cli.open({ mayCreateState: true });
  const options = { data, job, provider, model, generation, columns, out, limit, maxUsd, onProgress };
  const captured = await orchestrator.capture(args[0]!, options).catch((error: unknown) => {
    if (last !== null && last.done > 0) cli.terminal.say(`${toCaptureLine(last)}: that is kept, and the same command goes on from there`);
    throw error;
  });
  if (cli.json) cli.terminal.print(JSON.stringify(captured));
  else cli.terminal.print(cli.quiet ? captured.path : toCaptureText(captured));
  return 0;
}

function toShow({ terminal, json, quiet }: Cli): (progress: CaptureProgress) => void {
  if (quiet || json) return () => {};
  if (terminal.isWatched) return (progress) => terminal.showLive([toCaptureLine(progress)]);
  return createCaptureLog((line) => terminal.say(line));
}

/** @throws Failure `usage` */
function parseColumns(text: string): Record<string, string> {
  const names = ['text', 'text2', 'label', 'messages'];
  const pairs = text.split(',').map((pair) => /^(\w+)=(.+)$/.exec(pair) ?? []);
  const wrong = pairs.findIndex(([, name]) => name === undefined || !names.includes(name));
  if (wrong === -1) return Object.fromEntries(pairs.map(([, name, column]) => [name!, column!]));
  const expected = `--columns expects pairs such as text=body,label=team, with names of ${names.join(', ')}`;
  throw new Failure('usage', `${expected}; found ${JSON.stringify(text.split(',')[wrong])}`);
}

/** @throws Failure `usage` */
function parseGeneration({ maxTokens, temperature }: Flags): { maxTokens?: number; temperature?: number } | undefined {
  if (maxTokens === undefined && temperature === undefined) return undefined;
  if (temperature !== undefined && !/^\d+(\.\d+)?$/.test(temperature)) {
    throw new Failure('usage', `--temperature expects a number such as 0 or 0.7, found "${temperature}"`);
  }
  return {
    ...(maxTokens !== undefined && { maxTokens: parseCount('--max-tokens', maxTokens) }),
    ...(temperature !== undefined && { temperature: Number(temperature) }),
  };
}

import { existsSync } from 'node:fs';
import type { CaptureProgress } from '../../evaluate/capture.ts';
import { Failure } from '../../errors.ts';
import type { Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { createCaptureLog, formatCapture, formatCaptureProgress } from '../views/capture-view.ts';

interface CaptureFlags {
  readonly data?: string;
  readonly job?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly columns?: Readonly<Record<string, string>>;
  readonly out?: string;
  readonly maxUsd?: number;
  readonly limit?: number;
}

const jobFiles = ['job.json', 'job.jsonc', 'job.yaml'];

/** `orchestrate capture MODEL --data FILE`: has a model answer the rows, and writes a predictions file. */
export async function capture(cli: Cli, args: readonly string[], flags: CaptureFlags): Promise<number> {
  const { data: rows, maxTokens, temperature, ...rest } = flags;
  if (rows === undefined) throw new Failure('usage', 'expected --data and a file of rows that the model is to answer');
  const job = flags.job ?? (flags.model === undefined ? jobFiles.find((path) => existsSync(path)) : undefined);
  const isAsked = maxTokens !== undefined || temperature !== undefined;
  const generation = isAsked
    ? { ...(maxTokens !== undefined && { maxTokens }), ...(temperature !== undefined && { temperature }) }
    : undefined;
  const show = createProgressView(cli);
  let last: CaptureProgress | null = null;
  const onProgress = (progress: CaptureProgress): void => show((last = progress));
  await using orchestrator = await cli.open({ mayCreateState: true });
  const captured = await orchestrator.capture(args[0]!, { ...rest, data: rows, job, generation, onProgress }).catch((error: unknown) => {
    if (last !== null && last.done > 0) {
      cli.terminal.say(`${formatCaptureProgress(last)}: these are stored, and the same command goes on from there`);
    }
    throw error;
  });
  if (cli.json) cli.terminal.print(formatJson(captured));
  else cli.terminal.print(cli.quiet ? captured.path : formatCapture(captured));
  return 0;
}

function createProgressView({ terminal, json, quiet }: Cli): (progress: CaptureProgress) => void {
  if (quiet || json) return () => {};
  if (terminal.isWatched) return (progress) => terminal.showLive([formatCaptureProgress(progress)]);
  return createCaptureLog((line) => terminal.say(line));
}

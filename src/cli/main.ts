import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { Provider } from '../provider/provider.ts';
import { Failure, failureKinds, isFailure, toFailureData } from '../errors.ts';
import type { Orchestrator } from '../orchestrator.ts';
import { completeCommands, programName, repeatOptions, type Cli } from './cli.ts';
import { escapeText, formatJson } from './escape.ts';
import { commands, groups, sharedOptions } from './commands.ts';
import { readSettings, type Settings } from './env-file.ts';
import { createProgress, createTerminal, flush, onOutputClosed, type Terminal } from './terminal.ts';

interface SharedFlags {
  readonly dir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly utc?: boolean;
  readonly envFile?: string;
}

export interface RunOptions {
  /** Providers beside those that come with the program. */
  readonly providers?: readonly Provider[];
  /** A worker that says nothing for so long is taken for dead, and another one goes on with its run. */
  readonly leaseMs?: number;
}

/** Runs one command line and resolves with its exit status. Prints every failure; throws none. */
export async function runCli(argv: readonly string[], options: RunOptions = {}): Promise<number> {
  const terminal = createTerminal(process.stdout, process.stderr);
  const interrupt = new AbortController();
  const onInterrupt = (): void => {
    if (interrupt.signal.aborted) process.exit(failureKinds.interrupted.exit);
    interrupt.abort(new Failure('interrupted', 'interrupted; what was submitted goes on'));
  };
  process.on('SIGINT', onInterrupt);
  let isClosed = false;
  // Listens to the end of the process: an output may fail after the command has ended.
  let outputFailure: Failure | null = null;
  onOutputClosed([process.stdout, process.stderr], (failure) => {
    isClosed = failure === null;
    outputFailure ??= failure;
    interrupt.abort(failure ?? new Failure('interrupted', 'the output was closed; submitted runs go on'));
  });
  try {
    const status = await runCommand(argv, { terminal, signal: interrupt.signal, options });
    await flush(process.stdout);
    if (outputFailure !== null) throw outputFailure as Failure;
    if (isClosed) return closedStatus;
    return status;
  } catch (error) {
    if (isClosed) return closedStatus;
    if (outputFailure !== null) return report(outputFailure, terminal, false);
    return report(interrupt.signal.aborted ? interrupt.signal.reason : error, terminal, argv.includes('--json'));
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** What shells report of a program that SIGPIPE has ended. */
const closedStatus = 141;

async function runCommand(
  argv: readonly string[],
  { terminal, signal, options }: { terminal: Terminal; signal: AbortSignal; options: RunOptions },
): Promise<number> {
  let status = 0;
  const asJson = argv.includes('--json');
  const advice = findAdvice(argv[0] ?? '');
  const program = createProgram(terminal, asJson, advice).showSuggestionAfterError(!Object.hasOwn(otherNames, argv[0] ?? ''));
  for (const entry of commands) {
    const command = addCommand(program, entry.usage).summary(entry.summary).description(entry.summary);
    for (const [flags, description, parse] of [...(entry.options ?? []), ...sharedOptions]) {
      if (parse === undefined) command.option(flags, description);
      else command.option(flags, description, parse);
    }
    command.action(async () => {
      const { dir, json, quiet, utc, envFile, ...flags } = command.opts<SharedFlags>();
      repeatOptions({ dir, envFile });
      if (utc === true) process.env['TZ'] = 'UTC';
      const settings = readSettings(process.env, { path: envFile, address: command.args[0] });
      const open: Cli['open'] = async ({ mayCreateState } = { mayCreateState: false }) => {
        const onProgress = quiet === true ? undefined : createProgress(terminal);
        return await openOrchestrator({ dir, settings, signal, options, mayCreateState, onProgress });
      };
      const run = await entry.load();
      try {
        // The parsers of a command's options give the flags that it declares.
        status = await run({ terminal, json: json === true, quiet: quiet === true, signal, open }, command.args, flags as never);
      } finally {
        const used = settings.describe();
        if (used !== null && quiet !== true) terminal.say(`settings ${used}`);
      }
    });
  }
  // Only the completion itself needs to know how to complete.
  if (argv[0] === 'complete' || argv[0] === 'completion') {
    const listRuns = async (): Promise<string[]> => {
      const settings = { environment: process.env, describe: () => null };
      await using orchestrator = await openOrchestrator({ dir: undefined, settings, signal, options, mayCreateState: false });
      return [...new Set((await orchestrator.list(undefined, { look: 'never' })).flatMap(({ id, job }) => [job, id]))];
    };
    await (await import('./completion.ts')).addCompletion(program, argv, listRuns);
  } else program.command('completion <shell>').summary('print the completion script for bash, zsh, fish or powershell');
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (asJson) throw new Failure('usage', error.message.replace(/^error: /, ''), { hint: advice });
    return failureKinds.usage.exit;
  }
  return status;
}

/** A command, or one of the actions of a command: `data check <files...>`. */
function addCommand(program: Command, usage: string): Command {
  const [, name, action] = /^([a-z-]+) ([a-z-]+.*)$/.exec(usage) ?? [];
  if (name === undefined || action === undefined) return program.command(usage);
  const known = program.commands.find((command) => command.name() === name);
  return (known ?? program.command(name).summary(groups[name]!).description(groups[name]!)).command(action);
}

/** Commands by the names that they have in other programs. */
const otherNames: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['train', 'run', 'start', 'launch', 'create', 'finetune', 'fine-tune', 'tune'].map((name) => [name, 'submit'])),
  ...Object.fromEntries(['list', 'ls', 'jobs', 'job', 'runs', 'ps', 'queue', 'show', 'get'].map((name) => [name, 'status'])),
  ...Object.fromEntries(['stop', 'kill', 'abort', 'down'].map((name) => [name, 'cancel'])),
  ...Object.fromEntries(['eval', 'test', 'score', 'benchmark'].map((name) => [name, 'evaluate'])),
  ...Object.fromEntries(['infer', 'inference', 'generate', 'chat', 'classify', 'answer'].map((name) => [name, 'predict'])),
  ...Object.fromEntries(['validate', 'check', 'dry-run', 'estimate'].map((name) => [name, 'plan'])),
  ...Object.fromEntries(['rm', 'remove', 'delete', 'prune'].map((name) => [name, 'clean'])),
  ...Object.fromEntries(['follow', 'tail'].map((name) => [name, 'watch'])),
  ...Object.fromEntries(['download', 'export', 'pull'].map((name) => [name, 'import'])),
  ...Object.fromEntries(['up'].map((name) => [name, 'deploy'])),
  report: 'metrics',
  loss: 'metrics',
  epochs: 'metrics',
  diff: 'compare',
};

/** What to do where the command line is wrong. @param first its first word */
function findAdvice(first: string): string {
  if (first.startsWith('-')) return `options follow the command, as in \`${programName} status --json\`; --help shows all commands`;
  if (!Object.hasOwn(otherNames, first)) return '--help shows what is possible';
  const name = otherNames[first]!;
  return `this is called ${name} here: \`${programName} ${name} --help\``;
}

interface Opening {
  readonly dir: string | undefined;
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly options: RunOptions;
  readonly mayCreateState: boolean;
  readonly onProgress?: ((text: string) => void) | undefined;
}

async function openOrchestrator(from: Opening): Promise<Orchestrator> {
  const { createOrchestrator } = await import('../orchestrator.ts');
  const { environment } = from.settings;
  const dir = from.dir ?? environment['ORCHESTRATE_DIR'];
  return await createOrchestrator({
    ...from.options,
    signal: from.signal,
    mayCreateState: from.mayCreateState,
    ...(from.onProgress === undefined ? {} : { onProgress: from.onProgress }),
    environment,
    ...(dir === undefined ? {} : { dir }),
  });
}

function createProgram(terminal: Terminal, asJson: boolean, advice: string): Command {
  const manifest = JSON.parse(
    readFileSync(new URL(import.meta.url.endsWith('.ts') ? '../../package.json' : '../package.json', import.meta.url), 'utf8'),
  ) as {
    version: string;
  };
  return new Command('orchestrate')
    .description(
      'One job file fine-tunes a model on OpenAI, Azure, Hugging Face or this machine: checked, submitted exactly once, followed, and tested on held-out data.',
    )
    .version(manifest.version)
    .exitOverride()
    .showHelpAfterError(`(${advice})`)
    .configureOutput({
      writeOut: (text) => terminal.print(text.replace(/\n$/, '')),
      writeErr: (text) => void (asJson || process.stderr.write(escapeText(text))),
    });
}

/** Prints a failure and says what to do. */
function report(error: unknown, terminal: Terminal, json: boolean): number {
  const { hint, ...data } = toFailureData(error);
  const failure = { ...data, hint: hint === null ? null : completeCommands(hint) };
  if (json) terminal.print(formatJson({ error: failure }));
  else terminal.say(`orchestrate: ${failure.message}${failure.hint === null ? '' : `\n  ${failure.hint}`}`);
  if (!isFailure(error) && process.env['ORCHESTRATE_DEBUG'] !== undefined) terminal.say(error instanceof Error ? (error.stack ?? '') : '');
  return failureKinds[failure.code].exit;
}

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { Provider } from '../provider/provider.ts';
import { Failure, failureKinds, isFailure, toFailureData } from '../errors.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { Cli } from './cli.ts';
import { escapeText, formatJson } from './escape.ts';
import { commands, sharedOptions } from './commands.ts';
import { createTerminal, type Terminal } from './terminal.ts';

interface SharedFlags {
  readonly dir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
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
  try {
    return await runCommand(argv, { terminal, signal: interrupt.signal, options });
  } catch (error) {
    return report(interrupt.signal.aborted ? interrupt.signal.reason : error, terminal, argv.includes('--json'));
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function runCommand(
  argv: readonly string[],
  { terminal, signal, options }: { terminal: Terminal; signal: AbortSignal; options: RunOptions },
): Promise<number> {
  let status = 0;
  const program = createProgram();
  for (const entry of commands) {
    const command = program.command(entry.usage).summary(entry.summary).description(entry.summary);
    for (const [flags, description, parse] of [...(entry.options ?? []), ...sharedOptions]) {
      if (parse === undefined) command.option(flags, description);
      else command.option(flags, description, parse);
    }
    command.action(async () => {
      const { dir, json, quiet, ...flags } = command.opts<SharedFlags>();
      const open: Cli['open'] = async ({ mayCreateState } = { mayCreateState: false }) => {
        return await openOrchestrator({ dir: dir ?? process.env['ORCHESTRATE_DIR'], signal, options, mayCreateState });
      };
      const run = await entry.load();
      // The parsers of a command's options give the flags that it declares.
      status = await run({ terminal, json: json === true, quiet: quiet === true, signal, open }, command.args, flags as never);
    });
  }
  // Only the completion itself needs to know how to complete.
  if (argv[0] === 'complete' || argv[0] === 'completion') {
    (await import('@bomb.sh/tab/commander')).default(program, { completionCommandName: 'completion' });
  } else program.command('completion <shell>').summary('print the completion script for bash, zsh, fish or powershell');
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : failureKinds.usage.exit;
  }
  return status;
}

interface Opening {
  readonly dir: string | undefined;
  readonly signal: AbortSignal;
  readonly options: RunOptions;
  readonly mayCreateState: boolean;
}

async function openOrchestrator(from: Opening): Promise<Orchestrator> {
  const { createOrchestrator } = await import('../orchestrator.ts');
  return await createOrchestrator({
    ...from.options,
    signal: from.signal,
    mayCreateState: from.mayCreateState,
    ...(from.dir === undefined ? {} : { dir: from.dir }),
  });
}

function createProgram(): Command {
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
    .showHelpAfterError('(--help shows what is possible)')
    .configureOutput({ writeErr: (text) => process.stderr.write(escapeText(text)) });
}

/** Prints a failure and says what to do. */
function report(error: unknown, terminal: Terminal, json: boolean): number {
  const failure = toFailureData(error);
  if (json) terminal.print(formatJson({ error: failure }));
  else terminal.say(`orchestrate: ${failure.message}${failure.hint === null ? '' : `\n  ${failure.hint}`}`);
  if (!isFailure(error) && process.env['ORCHESTRATE_DEBUG'] !== undefined) terminal.say(error instanceof Error ? (error.stack ?? '') : '');
  return failureKinds[failure.code].exit;
}

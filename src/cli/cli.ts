import { isAbsolute, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quoteWord } from '../lib/text.ts';
import { escapeLine, formatJson } from './escape.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { RunView } from '../run/run-view.ts';
import type { Terminal } from './terminal.ts';

/** What a command works with. */
export interface Cli {
  readonly terminal: Terminal;
  /** Whether results are printed as JSON. */
  readonly json: boolean;
  /** Only the names of runs on standard output. */
  readonly quiet: boolean;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Without `mayCreateState` no state folder is made. */
  open(options?: { readonly mayCreateState: boolean }): Promise<Orchestrator>;
}

/**
 * A command: resolves with the exit status, throws Failure. `flags` are its own options, as their parsers give them.
 */
export type CommandFunction<Flags = object> = (cli: Cli, args: readonly string[], flags: Flags) => Promise<number>;

/**
 * What a person types. A clone is started through npx, as long as it is the current folder: elsewhere npx would fetch a foreign package
 * of this name.
 */
export const programName = isInClone(import.meta.url) ? 'npx orchestrate' : 'orchestrate';

/** The options that a later command line needs to mean the same state and the same account, as one types them. */
let sharedWords = '';

/** Has every command that is named from now on repeat these options; none where none was given. */
export function repeatOptions({ dir, envFile }: { readonly dir?: string | undefined; readonly envFile?: string | undefined }): void {
  const given = [
    ['--dir', dir],
    ['--env-file', envFile],
  ] as const;
  sharedWords = escapeLine(given.map(([name, value]) => (value === undefined ? '' : ` ${name} ${quoteWord(value)}`)).join(''));
}

/** @param words what follows the name of the program, such as `wait job/target` */
export function nameCommand(words: string): string {
  return `${programName} ${addShared(words)}`;
}

/** The hints of all that knows no command line: their commands, which stand in backquotes, as one has to type them here. */
export function completeCommands(text: string): string {
  return sharedWords === '' ? text : text.replaceAll(/(?<=`(?:npx )?orchestrate )[a-z][^`\n]*(?=`)/g, addShared);
}

/** Before the first option: after it there may be a choice, `--absent | --cancel`. */
function addShared(words: string): string {
  return words.includes(sharedWords) ? words : words.replace(/(?= --)|$/, () => sharedWords);
}

function isInClone(url: string): boolean {
  if (!url.endsWith('.ts')) return false;
  const path = relative(fileURLToPath(new URL('../..', url)), process.cwd());
  return !path.startsWith('..') && !isAbsolute(path);
}

/** The exit status that says how runs stand: of several runs the gravest. */
export function getOutcome(runs: readonly RunView[]): number {
  if (runs.some((run) => run.attention || ['accepted', 'preparing'].includes(run.status.phase))) return 75;
  const isStopped = ({ status, failure }: RunView): boolean => status.phase === 'paused' && failure !== null;
  if (runs.some((run) => isStopped(run) || (run.terminal && !run.ok && run.status.phase !== 'cancelled'))) return 100;
  if (runs.some((run) => run.status.phase === 'cancelled')) return 103;
  return runs.every((run) => run.ok) ? 0 : 101;
}

/** Prints runs for scripts (`--json`, `--quiet`), or else as the function says. */
export function printRuns(cli: Cli, runs: readonly RunView[], print: () => void): void {
  if (cli.json) cli.terminal.print(formatJson({ runs }));
  else if (cli.quiet) for (const run of runs) cli.terminal.print(run.id);
  else print();
}

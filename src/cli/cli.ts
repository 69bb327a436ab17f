import type { Orchestrator } from '../orchestrator.ts';
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

/** Resolves with the exit status; throws Failure. `flags` are the command's own options as commander gives them. */
export type CommandFunction = (cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>) => Promise<number>;

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync } from 'node:fs';
import nodeModule from 'node:module'; // whole: an old version of Node lacks a part
import { fileURLToPath } from 'node:url';

/** The trainer's main file: the source in a clone, the bundle's second entry in the installed package. */
function getTrainerEntry(): string {
  const source = fileURLToPath(new URL('../trainer/main.ts', import.meta.url));
  return existsSync(source) ? source : fileURLToPath(new URL('./trainer.js', import.meta.url));
}

/** The credentials that the program reads, for the services that it asks itself. */
export const serviceCredentials: readonly string[] = [
  'OPENAI_API_KEY',
  'AZURE_OPENAI_API_KEY',
  'AZURE_OPENAI_AD_TOKEN',
  'AZURE_MANAGEMENT_TOKEN',
  'HF_TOKEN',
  'ENDPOINT_API_KEY',
  'TOGETHER_API_KEY',
];

/** What a credential of any other program is called, or an address that may hold a password. */
const secretName = /key|token|secret|passw|passphrase|credential|(^|_)(auth|dsn|pat|proxy)(_|$)/i;

/** The environment without the variables of these names. On Windows names have no case. */
function omitVariables(isOmitted: (name: string) => boolean): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOmitted(name)));
}

/** The trainer asks no service: it gets no credential at all. It uses the compile cache of the command that starts it. */
function buildEnvironment(): NodeJS.ProcessEnv {
  const folder = nodeModule.getCompileCacheDir();
  const kept = omitVariables((name) => secretName.test(name));
  return folder === undefined ? kept : { ...kept, NODE_COMPILE_CACHE: folder };
}

interface TrainingOptions {
  /** A place to line up in (see the trainer's queue.ts). */
  readonly queue?: object | null;
  /** Settings beside the environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a training that outlives this process; what it prints goes to `logPath`. */
export function spawnTraining(folder: string, logPath: string, { queue = null, env }: TrainingOptions = {}): ChildProcess {
  const log = openSync(logPath, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [getTrainerEntry(), 'train', folder, ...(queue === null ? [] : [JSON.stringify(queue)])], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: folder,
      env: { ...buildEnvironment(), ...env },
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

interface CheckOptions {
  readonly signal: AbortSignal;
  /** Settings beside the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** The network whose steps are measured (see the trainer's protocol.ts); absent: a small one. */
  readonly shape?: object | undefined;
}

/** A process that takes training steps on a backend: one JSON line on standard output. It ends when the signal aborts. */
export function spawnCheck(backend: string, { signal, env, shape }: CheckOptions): ChildProcess {
  return spawn(process.execPath, [getTrainerEntry(), 'check', backend, ...(shape === undefined ? [] : [JSON.stringify(shape)])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...buildEnvironment(), ...env },
    signal,
  });
}

/** A process that answers rows: JSON lines in, JSON lines out. It ends with its input, or when the signal aborts. */
export function spawnPrediction(signal: AbortSignal, command: 'predict' | 'generate' = 'predict'): ChildProcess {
  return spawn(process.execPath, [getTrainerEntry(), command], { stdio: ['pipe', 'pipe', 'pipe'], env: buildEnvironment(), signal });
}

/** What `spawnAnswering` starts. */
export type AnsweringProcess = ChildProcess;

/** A process that is kept for many requests: in a group of its own, so that Ctrl-C leaves it the time to finish. It ends with its input. */
export function spawnAnswering(command: 'predict' | 'generate'): AnsweringProcess {
  return spawn(process.execPath, [getTrainerEntry(), command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: buildEnvironment(),
    detached: true,
  });
}

/**
 * A user's own command, in a folder: rows in, answers out; its standard error is passed on. `stopCommand` ends it with
 * all processes that it has started. It gets the credentials of services that are named in `env`, and no others.
 */
export function spawnCommand(
  [program, ...args]: readonly string[],
  { folder, env }: { readonly folder: string; readonly env: readonly string[] },
): ChildProcess {
  const isWithheld = (name: string): boolean => serviceCredentials.includes(name.toUpperCase()) && !env.includes(name);
  return spawn(program!, args, { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'], detached: true, env: omitVariables(isWithheld) });
}

export function stopCommand({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // it has just ended
  }
}

export interface ToolResult {
  /** null where a signal has ended it. */
  readonly status: number | null;
  /** The last lines that it printed, errors among them. */
  readonly output: string;
}

/** How much of a tool's output is kept. */
const keptOutput = 20_000;

/**
 * Runs a tool of the system to its end, with all processes that it starts; it gets no credential of a service. Throws the system's error
 * where there is no such tool, and the signal's reason where that ends it.
 */
export async function runTool(
  [program, ...args]: readonly string[],
  { folder, signal, env = {} }: { readonly folder: string; readonly signal: AbortSignal; readonly env?: NodeJS.ProcessEnv },
): Promise<ToolResult> {
  signal.throwIfAborted();
  const kept = omitVariables((name) => serviceCredentials.includes(name.toUpperCase()));
  const child = spawn(program!, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...kept, ...env } });
  const stop = (): void => stopCommand(child);
  signal.addEventListener('abort', stop);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output = `${output}${chunk.toString()}`.slice(-keptOutput)));
  }
  try {
    const [status] = (await once(child, 'close')) as [number | null];
    signal.throwIfAborted();
    return { status, output: output.trim() };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

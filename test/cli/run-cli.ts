import { spawn, type ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a program in a process of its own, with nothing on its standard input. */
export function startProgram(
  path: string,
  args: readonly string[],
  surroundings: Surroundings = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'pipe'], ...surroundings });
  child.stdin.end();
  const closed = new Promise<number | null>((resolve) => void child.on('close', resolve));
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([status, stdout, stderr]) => ({
    status,
    stdout,
    stderr,
  }));
  return { child, ended };
}

export async function runProgram(path: string, args: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  return await startProgram(path, args, surroundings).ended;
}

/** Starts the program as a user does. */
export function startCli(args: readonly string[], surroundings: Surroundings = {}): { child: ChildProcess; ended: Promise<Ended> } {
  return startProgram(entry, args, surroundings);
}

export async function runCli(...args: readonly string[]): Promise<Ended> {
  return await startCli(args).ended;
}

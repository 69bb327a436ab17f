import { spawn, type ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the program as a user does, in a process of its own. */
export function startCli(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end();
  const closed = new Promise<number | null>((resolve) => void child.on('close', resolve));
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([status, stdout, stderr]) => ({
    status,
    stdout,
    stderr,
  }));
  return { child, ended };
}

export async function runCli(...args: readonly string[]): Promise<Ended> {
  return await startCli(args).ended;
}

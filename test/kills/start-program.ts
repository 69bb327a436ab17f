import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { settleMs, timeoutMs } from './plans.ts';
import type { Product } from './product.ts';
import type { Service } from './service.ts';

/** One machine's folder in one trial: a job file, its data, and the state. */
export interface Machine {
  readonly folder: string;
  readonly product: Product;
  readonly service: Service;
  /** What names the trial's world at the service. */
  readonly fixture: string;
  readonly leaseMs: number;
}

export interface Start {
  /** The number or name of the boundary at which it stops; absent: nowhere. */
  readonly at?: number | string;
  readonly signal?: 'SIGKILL' | 'SIGSTOP';
  /** Starts the program below another one, `strace` for example. */
  readonly under?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  /** The boundaries that it passed, by name. */
  readonly points: readonly string[];
}

const rows = ['film', 'book', 'play', 'song', 'meal', 'walk'].flatMap((thing) => {
  return ['good', 'bad'].map((label) => JSON.stringify({ text: `${label} ${thing}`, label }));
});

/** Makes a machine with a job that nobody has submitted. */
export function createMachine(machine: Machine, { onUncertain }: { onUncertain: 'ask' | 'retry' }): Machine {
  const { folder, service } = machine;
  mkdirSync(folder, { recursive: true });
  for (const name of ['train', 'test']) writeFileSync(join(folder, `${name}.jsonl`), `${rows.join('\n')}\n`);
  const job = {
    version: 1,
    name: 'job',
    task: 'classification',
    data: { train: './train.jsonl', test: './test.jsonl', columns: { text: 'text', label: 'label' } },
    onUncertain,
    targets: { it: service.target },
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  return machine;
}

let starts = 0;

/** Starts one command of the program on a machine. */
export function startProgram(machine: Machine, args: readonly string[], start: Start = {}): { child: ChildProcess; ended: Promise<Ended> } {
  const { folder, product, service, fixture, leaseMs } = machine;
  const trace = join(folder, `trace-${++starts}`);
  writeFileSync(trace, '');
  const command = [...(start.under ?? []), process.execPath, '--import', product.hook, product.program, ...args];
  const child = spawn(command[0]!, command.slice(1), {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ORCHESTRATE_DIR: join(folder, 'state'),
      ORCHESTRATE_DEBUG: '1',
      ...service.toEnvironment(fixture),
      KILLS_SETTLE_MS: String(settleMs),
      KILLS_TIMEOUT_MS: String(timeoutMs),
      ORCHESTRATE_REQUEST_SECONDS: String(timeoutMs / 1000),
      KILLS_LEASE_MS: String(leaseMs),
      KILLS_TRACE: trace,
      ...(start.at === undefined ? {} : { KILLS_AT: String(start.at) }),
      ...(start.signal === undefined ? {} : { KILLS_SIGNAL: start.signal }),
      ...start.environment,
    },
  });
  const closed = new Promise<Pick<Ended, 'status' | 'signal'>>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal }));
  });
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([end, stdout, stderr]) => ({
    ...end,
    output: `${stdout}${stderr}`,
    points: readPoints(trace),
  }));
  return { child, ended };
}

function readPoints(trace: string): string[] {
  return readFileSync(trace, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(line.indexOf(' ') + 1));
}

export async function runProgram(machine: Machine, args: readonly string[], start?: Start): Promise<Ended> {
  return await startProgram(machine, args, start).ended;
}

export const submitArgs = ['submit', 'job.json', '--wait', '--timeout', '30s', '--json'];

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readSpending } from '../../src/run/budget.ts';
import type { Sandbox } from '../../src/sandbox/main.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Product } from '../kills/product.ts';

/** Where captures are killed. */
export interface CaptureBench {
  readonly sandbox: Sandbox;
  readonly scratch: string;
  readonly product: Product;
}

/** How a capture ended that was killed; `faults` are what must not be. */
export interface CaptureOutcome {
  readonly kills: number;
  /** Answers that were on their way when the process died: the service gave them, and no process was left to store them. */
  readonly lost: number;
  readonly faults: readonly string[];
}

/** An uninterrupted capture. */
export interface WholeCapture {
  /** The boundaries that it passed, by number: all from the first look for stored answers. */
  readonly points: readonly number[];
  readonly lines: readonly string[];
}

const rowCount = 24;

/** Rows that may be answered at once. */
const concurrency = 8;

const args = ['capture', 'old', '--provider', 'openai', '--model', 'gpt-4.1-mini-2025-04-14', '--data', 'rows.jsonl', '--json'];
const limits = ['--max-tokens', '4', '--temperature', '0', '--max-usd', '1'];

interface Machine {
  readonly bench: CaptureBench;
  readonly folder: string;
  readonly apiKey: string;
}

let machines = 0;

/** Each machine has an account of its own, and rows of different lengths: by its tokens the bill names the row. */
function createMachine(bench: CaptureBench): Machine {
  const id = `capture-${++machines}`;
  const folder = join(bench.scratch, id);
  mkdirSync(folder);
  const rows = Array.from({ length: rowCount }, (_, i) => ({ text: `a film${' very'.repeat(i)} good`, label: 'good' }));
  writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return { bench, folder, apiKey: `sk-sandbox-${id}` };
}

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  /** The boundaries that it passed, by name. */
  readonly points: readonly string[];
}

/** One start of the program, killed at a boundary by its number, or the first one of a name; null: nowhere. */
async function runCapture({ bench, folder, apiKey }: Machine, at: number | string | null): Promise<Ended> {
  const trace = join(folder, 'trace');
  writeFileSync(trace, '');
  const child = spawn(process.execPath, ['--import', bench.product.hook, bench.product.program, ...args, ...limits], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ORCHESTRATE_DIR: join(folder, 'state'),
      ORCHESTRATE_PRICES: '{"gpt-4.1-mini-2025-04-14": {"input": 0.8, "output": 3.2}}',
      OPENAI_BASE_URL: bench.sandbox.env.OPENAI_BASE_URL,
      OPENAI_API_KEY: apiKey,
      KILLS_SETTLE_MS: '1',
      KILLS_TIMEOUT_MS: '1000',
      KILLS_LEASE_MS: '500',
      KILLS_TRACE: trace,
      ...(at === null ? {} : { KILLS_AT: String(at) }),
    },
  });
  const closed = new Promise<Pick<Ended, 'status' | 'signal'>>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal }));
  });
  const [end, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)]);
  return { ...end, output: `${stdout}${stderr}`, points: readFileSync(trace, 'utf8').trimEnd().split('\n') };
}

/** The rows that were paid for, in order, by the tokens of their prompts. */
function readBill({ bench, apiKey }: Machine): number[] {
  return bench.sandbox.account(apiKey).bill.flatMap((entry) => (entry.kind === 'chat' ? [entry.promptTokens] : []));
}

interface State {
  /** Rows whose answer is stored, by the tokens of their prompts. */
  readonly stored: ReadonlySet<number>;
  readonly reservedUsd: number;
}

async function readState({ folder }: Machine): Promise<State> {
  if (!existsSync(join(folder, 'state', 'state.db'))) return { stored: new Set(), reservedUsd: 0 };
  const store = openStore(join(folder, 'state'));
  const rows = await store.selectFrom('prediction').select('body').execute();
  const { reservedUsd } = await readSpending(store, 'capture:old', null);
  await store.destroy();
  const answers = rows.map(({ body }) => JSON.parse(body) as { tokens: { input: number } });
  return { stored: new Set(answers.map(({ tokens }) => tokens.input)), reservedUsd };
}

/** The file without what differs between two captures: when an answer came, and how long it took. */
function readAnswerLines({ folder }: Machine): string[] {
  const lines = readFileSync(join(folder, 'old.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.stringify({ ...(JSON.parse(line) as object), at: undefined, latency_ms: undefined }));
}

/** @throws where it does not end well */
export async function captureWhole(bench: CaptureBench): Promise<WholeCapture> {
  const machine = createMachine(bench);
  const { status, output, points } = await runCapture(machine, null);
  const billed = readBill(machine);
  if (status !== 0 || billed.length !== rowCount || new Set(billed).size !== rowCount) {
    throw new Error(`without a kill: status ${status}, ${billed.length} answers: ${output}`);
  }
  const first = points.findIndex((name) => name.includes('from "prediction"'));
  return { points: points.map((_, i) => i + 1).slice(first), lines: readAnswerLines(machine) };
}

/**
 * A capture that is killed at one boundary, goes on, is killed at the next, and so on, and at last goes on to its end. No row whose answer
 * was stored may be sent again; one kill may lose no more answers than were on their way; the file is that of the whole capture.
 */
export async function killCapture(bench: CaptureBench, whole: WholeCapture, at: readonly (number | string)[]): Promise<CaptureOutcome> {
  const machine = createMachine(bench);
  const faults: string[] = [];
  let kills = 0;
  let lost = 0;
  for (const point of [...at, null]) {
    const { stored: before } = await readState(machine);
    const known = readBill(machine).length;
    const { status, signal, output } = await runCapture(machine, point);
    const asked = readBill(machine).slice(known);
    const { stored, reservedUsd } = await readState(machine);
    const place = `${machine.folder}, killed at ${at.join(', ')}, start for ${point ?? 'the end'}`;
    const again = asked.filter((row) => before.has(row));
    if (again.length > 0) faults.push(`DOUBLE: ${place}: ${again.length} rows were paid for again whose answers were stored`);
    const lostNow = asked.length - (stored.size - before.size);
    lost += lostNow;
    if (signal === 'SIGKILL') kills++;
    else if (status !== 0) faults.push(`${place}: status ${status}: ${output.slice(-600)}`);
    const mostLost = signal === 'SIGKILL' ? concurrency : 0;
    if (lostNow > mostLost) faults.push(`LOST: ${place}: ${lostNow} answers were paid for and not stored, expected at most ${mostLost}`);
    if (signal === null && reservedUsd > 0) faults.push(`MONEY: ${place}: $${reservedUsd} are still reserved`);
    const isThere = existsSync(join(machine.folder, 'old.jsonl'));
    if (signal === null && !isThere) faults.push(`FILE: ${place}: it is not there`);
    if (isThere && readAnswerLines(machine).join('\n') !== whole.lines.join('\n')) {
      faults.push(`FILE: ${place}: it is not that of an uninterrupted capture`);
    }
  }
  return { kills, lost, faults };
}

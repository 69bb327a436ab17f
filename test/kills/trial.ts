import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { maxAttempts } from '../../src/run/reconcile.ts';
import { checkState, type State } from './check-state.ts';
import type { Plan } from './plans.ts';
import type { Product } from './product.ts';
import type { Account, Service } from './service.ts';
import { createMachine, runProgram, submitArgs, type Ended, type Machine } from './start-program.ts';

/** Where trials happen. */
export interface Bench {
  readonly service: Service;
  readonly scratch: string;
  readonly product: Product;
}

/** A killed holder's lease runs out after so many ms. */
const leaseMs = 500;

export interface Setting {
  readonly name: string;
  readonly plan: Plan;
  readonly onUncertain: 'ask' | 'retry';
  readonly leaseMs?: number;
}

/** How a trial ended, for the table; `faults` are what must not be. */
export interface Outcome {
  readonly name: string;
  readonly kills: number;
  readonly adopted: boolean;
  readonly attempts: number;
  readonly attention: boolean;
  readonly bill: number;
  readonly faults: readonly string[];
}

let trials = 0;

/** A trial's machines at a service of their own. `use` does what the trial is about; the folders are removed when nothing was wrong. */
export async function inTrial(
  bench: Bench,
  setting: Setting,
  use: (machine: Machine, again: (name: string) => Machine) => Promise<Outcome>,
): Promise<Outcome> {
  const id = `trial-${++trials}`;
  const fixture = await bench.service.begin(id, setting.plan);
  const folder = join(bench.scratch, id);
  const create = (name: string): Machine => {
    const machine = {
      folder: join(folder, name),
      product: bench.product,
      service: bench.service,
      fixture,
      leaseMs: setting.leaseMs ?? leaseMs,
    };
    return createMachine(machine, setting);
  };
  const outcome = await use(create('one'), create).catch((error: unknown) => toBroken(setting, error));
  if (outcome.faults.length === 0) rmSync(folder, { recursive: true });
  return { ...outcome, faults: outcome.faults.map((fault) => `${setting.name} (${setting.onUncertain}, ${folder}): ${fault}`) };
}

function toBroken({ name }: Setting, error: unknown): Outcome {
  const faults = [`the trial itself failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  return { name, kills: 0, adopted: false, attempts: 0, attention: false, bill: 0, faults };
}

/** A person who runs the command again while it says that this may help: a service out of reach, a state in use. */
export async function finish(machine: Machine, mostRuns = 8): Promise<Ended> {
  for (let runs = 1; ; runs++) {
    const ended = await runProgram(machine, submitArgs);
    if (runs === mostRuns || ![69, 75].includes(ended.status ?? -1) || isAttention(checkState(machine.folder))) return ended;
  }
}

function isAttention({ record }: State): boolean {
  return record?.state === 'attention';
}

/** Holds the service's bill and the program's state against each other after the last run of a trial. */
export async function judge(
  bench: Bench,
  setting: Setting,
  { machine, ended, kills }: { machine: Machine; ended: Ended; kills: number },
): Promise<Outcome> {
  const account = await bench.service.readAccount(machine.fixture);
  const state = checkState(machine.folder);
  const attention = isAttention(state);
  const faults = [...state.faults, ...toBillFaults(account)];
  const job = state.record?.job ?? null;
  // A kill and two lost requests are three attempts, after which a person is asked whatever the job says.
  const mayAsk = setting.onUncertain === 'ask' || (state.record?.attempt ?? 0) >= maxAttempts;
  if (attention ? !mayAsk || ended.status !== 75 : ended.status !== 0) {
    faults.push(`the last run ended with ${ended.status ?? ended.signal}: ${ended.output.slice(-600)}`);
  } else if (!attention && (state.record?.state !== 'succeeded' || account.bill[0]?.job !== job?.id)) {
    faults.push(`${state.record?.state} with the job ${job?.id}, and the bill says ${account.bill.map((line) => line.job).join(', ')}`);
  }
  return {
    name: setting.name,
    kills,
    adopted: state.events.some(({ type }) => type === 'job-adopted'),
    attempts: state.record?.attempt ?? 0,
    attention,
    bill: account.bill.length,
    faults,
  };
}

/** More than one line for a key is a run that was paid for twice. */
export function toBillFaults({ bill }: Account): string[] {
  return [...Map.groupBy(bill, ({ key }) => key)].flatMap(([key, lines]) => {
    return lines.length === 1
      ? []
      : [`DOUBLE: ${key} was paid for ${lines.length} times (${lines.map((line) => `${line.at} attempt ${line.attempt}`).join(', ')})`];
  });
}

/** Killed at one boundary, then at another, then left alone. */
export async function killTwice(bench: Bench, setting: Setting, at: readonly [number | string, number | string]): Promise<Outcome> {
  return await inTrial(bench, setting, async (machine) => {
    const one = await runProgram(machine, submitArgs, { at: at[0] });
    const two = await runProgram(machine, submitArgs, { at: at[1] });
    const ended = await finish(machine);
    const kills = [one, two].filter(({ signal }) => signal === 'SIGKILL').length;
    const outcome = await judge(bench, setting, { machine, ended, kills });
    const story = `killed at ${at[0]} (${one.points.at(-1)}), then at ${at[1]} (${two.points.at(-1)})`;
    return { ...outcome, faults: outcome.faults.map((fault) => `${story}: ${fault}`) };
  });
}

import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkState } from './check-state.ts';
import { settleMs } from './plans.ts';
import { runProgram, startProgram, submitArgs, type Ended, type Machine } from './start-program.ts';
import { finish, inTrial, judge, toBillFaults, type Bench, type Outcome, type Setting } from './trial.ts';

/** Where the paid call goes out. */
export function toPayment({ service }: Bench): string {
  return `before fetch ${service.requests.create}`;
}

function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** A program that stands still at a boundary; `thaw` lets it go on. Null where it ended before it came there. */
async function freeze(machine: Machine, args: readonly string[], at: number | string): Promise<{ thaw(): Promise<Ended> } | null> {
  const { child, ended } = startProgram(machine, args, { at, signal: 'SIGSTOP' });
  while (child.exitCode === null && child.signalCode === null) {
    if (isStopped(child.pid!)) {
      return {
        async thaw() {
          child.kill('SIGCONT');
          return await ended;
        },
      };
    }
    await sleep(5);
  }
  await ended;
  return null;
}

/** The same, again where the machine was too busy and a request was given up before that boundary. */
async function freezeSurely(machine: Machine, at: string): Promise<{ thaw(): Promise<Ended> }> {
  for (let tries = 0; tries < 5; tries++) {
    const frozen = await freeze(machine, submitArgs, at);
    if (frozen !== null) return frozen;
  }
  throw new Error(`the program never comes to "${at}"`);
}

/** Frozen at a boundary; another process takes the run over when the lease has run out; then the first goes on where it stood. */
export async function freezeAndThaw(bench: Bench, setting: Setting, at: number | string): Promise<Outcome> {
  return await inTrial(bench, setting, async (machine) => {
    const frozen = await freeze(machine, submitArgs, at);
    const early = await finish(machine, 1);
    const thawed = await frozen?.thaw();
    // One that stands still in a transaction keeps the others out until it goes on.
    const ended = early.status === 75 ? await finish(machine) : early;
    const outcome = await judge(bench, setting, { machine, ended, kills: frozen === null ? 0 : 1 });
    const isUnexpected = thawed !== undefined && ![0, 69, 75].includes(thawed.status ?? -1);
    return isUnexpected
      ? { ...outcome, faults: [...outcome.faults, `thawed, it ended with ${thawed.status}: ${thawed.output.slice(-400)}`] }
      : outcome;
  });
}

/** Frozen before the paid call; a person is asked, says that there is no job, and submits again; then the first goes on. */
export async function decideAndThaw(bench: Bench, setting: Setting): Promise<Outcome> {
  return await inTrial(bench, setting, async (machine) => {
    const frozen = await freezeSurely(machine, toPayment(bench));
    await finish(machine);
    await runProgram(machine, ['resolve', 'job/it', '--absent']);
    const ended = await finish(machine);
    await frozen.thaw();
    return await judge(bench, setting, { machine, ended, kills: 1 });
  });
}

/** Several people submit the same file on one machine at once. */
export async function crowd(bench: Bench, setting: Setting, people: number): Promise<Outcome> {
  return await inTrial(bench, { ...setting, leaseMs: 3000 }, async (machine) => {
    const all = await Promise.all(Array.from({ length: people }, async () => await finish(machine)));
    const wrong = all.find(({ status }) => status !== 0);
    return await judge(bench, setting, { machine, ended: wrong ?? all[0]!, kills: 0 });
  });
}

/** The state is lost, or an older copy of it comes back: that of a process which was killed at boundary `at`. */
export async function restoreState(bench: Bench, setting: Setting, at: number | string | null): Promise<Outcome> {
  return await inTrial(bench, setting, async (machine) => {
    const state = join(machine.folder, 'state');
    const copy = join(machine.folder, 'copy');
    if (at !== null) await runProgram(machine, submitArgs, { at });
    if (at !== null && existsSync(state)) cpSync(state, copy, { recursive: true });
    const first = await finish(machine);
    if (first.status !== 0) return await judge(bench, setting, { machine, ended: first, kills: 0 });
    await sleep(settleMs); // what is promised: a job is listed by then
    rmSync(state, { recursive: true });
    if (existsSync(copy)) cpSync(copy, state, { recursive: true });
    return await judge(bench, setting, { machine, ended: await finish(machine), kills: at === null ? 0 : 1 });
  });
}

/** Two machines that know nothing of each other are about to pay for the same job at the same moment: one job may go on. */
export async function twoMachines(bench: Bench, setting: Setting): Promise<Outcome> {
  const slow = { ...setting, plan: { ...setting.plan, looks: 40 } };
  return await inTrial(bench, slow, async (one, create) => {
    const two = create('two');
    const frozen = await Promise.all([one, two].map(async (machine) => await freezeSurely(machine, toPayment(bench))));
    const ends = await Promise.all(frozen.map(async (process) => await process.thaw()));
    const { bill, jobs } = await bench.service.readAccount(one.fixture);
    const ours = jobs.filter(({ key }) => key === bill[0]?.key);
    const alive = ours.filter(({ status }) => status !== 'cancelled');
    const states = [one, two].map(({ folder }) => checkState(folder));
    const faults = states.flatMap((state) => state.faults);
    if (alive.length !== 1) faults.push(`expected one job that goes on, found ${alive.length} of ${ours.length}`);
    for (const { record } of states)
      if (record?.job?.id !== alive[0]?.id) faults.push(`a machine follows ${record?.job?.id}, not ${alive[0]?.id}`);
    for (const { status, output } of ends) if (status !== 0) faults.push(`ended with ${status}: ${output.slice(-400)}`);
    return { name: setting.name, kills: 0, adopted: false, attempts: 1, attention: false, bill: 1, faults };
  });
}

/** A submission that is killed, or stands still, at a boundary; a cancel; and the submission goes on, or is made again. */
export async function cancelAt(bench: Bench, setting: Setting, { at, isFrozen }: { at: number; isFrozen: boolean }): Promise<Outcome> {
  const slow = { ...setting, plan: { ...setting.plan, looks: 30 } };
  return await inTrial(bench, slow, async (machine) => {
    const frozen = isFrozen ? await freeze(machine, submitArgs, at) : null;
    if (!isFrozen) await runProgram(machine, submitArgs, { at });
    const before = checkState(machine.folder);
    const cancelled = await runProgram(machine, ['cancel', 'job/it']);
    await frozen?.thaw();
    const last = await finish(machine);
    const account = await bench.service.readAccount(machine.fixture);
    const { record, events, faults } = checkState(machine.folder);
    const job = account.jobs.find(({ id }) => id === record?.job?.id);
    const all = [...faults, ...toBillFaults(account)];
    const isAsked = record?.cancelRequested === true;
    const isIntended = before.events.some(({ type }) => type === 'submission-intended');
    if (![0, 69, 75, 102, 103].includes(cancelled.status ?? -1))
      all.push(`cancel ended with ${cancelled.status}: ${cancelled.output.slice(-600)}`);
    if (isAsked && !isIntended && !isFrozen && account.bill.length > 0) all.push('paid for after a cancel that came before the intent');
    if (record?.state === 'cancelled' && account.bill.length > 0 && job?.status !== 'cancelled')
      all.push(`cancelled, and the service says ${job?.status}`);
    if (record?.state === 'succeeded' && job?.status !== 'succeeded') all.push(`succeeded, and the service says ${job?.status}`);
    if (!['cancelled', 'succeeded', 'attention'].includes(record?.state ?? '')) all.push(`${record?.state}: ${last.output.slice(-400)}`);
    return {
      name: setting.name,
      kills: 1,
      adopted: events.some(({ type }) => type === 'job-adopted'),
      attempts: record?.attempt ?? 0,
      attention: record?.state === 'attention',
      bill: account.bill.length,
      faults: all.map((fault) => `${isFrozen ? 'frozen' : 'killed'} at ${at}: ${fault}`),
    };
  });
}

/** A system call that fails once: its `nth` on a thread. */
export async function failSystemCall(
  bench: Bench,
  setting: Setting,
  { call, error, nth }: { call: string; error: string; nth: number },
): Promise<Outcome> {
  return await inTrial(bench, setting, async (machine) => {
    const log = join(machine.folder, 'strace');
    const injection = `inject=${call}:error=${error}:when=${nth}`;
    await runProgram(machine, submitArgs, { under: ['strace', '-f', '--seccomp-bpf', '-o', log, '-e', `trace=${call}`, '-e', injection] });
    const isInjected = readFileSync(log, 'utf8').includes('(INJECTED)');
    const ended = await finish(machine);
    const outcome = await judge(bench, setting, { machine, ended, kills: Number(isInjected) });
    return { ...outcome, faults: outcome.faults.map((fault) => `${injection}: ${fault}`) };
  });
}

import { spawnSync } from 'node:child_process';
import { toShuffled, toStreamKey, toUint32 } from '../../src/lib/random.ts';
import { inParallel } from './in-parallel.ts';
import { plans } from './plans.ts';
import * as scenarios from './scenarios.ts';
import { finish, inTrial, judge, killTwice, type Bench, type Outcome, type Setting } from './trial.ts';

export type Task = () => Promise<Outcome>;

const ok = plans['ok']!;
const modes = ['retry', 'ask'] as const;

/**
 * `count` trials in which the program is killed twice. The plans and both settings of `onUncertain` take turns; each goes through all its
 * boundaries in an order that the seed gives before one comes again. The second kill is anywhere.
 */
export async function toKillTasks(
  bench: Bench,
  { count, seed, plan }: { count: number; seed: number; plan: string | undefined },
): Promise<Task[]> {
  const settings = Object.entries(plans)
    .filter(([name]) => plan === undefined || name === plan)
    .flatMap(([name, one]) => modes.map((onUncertain): Setting => ({ name, plan: one, onUncertain })));
  const totals = await inParallel(settings.map((setting) => async () => await countPoints(bench, setting)));
  return Array.from({ length: count }, (_, i) => {
    const index = i % settings.length;
    const total = totals[index]!;
    const order = toShuffled(toRange(total), toStreamKey(seed, 'first', index));
    const first = order[Math.floor(i / settings.length) % total]!;
    const second = 1 + (toUint32(toStreamKey(seed, 'second'), i) % total);
    return async () => await killTwice(bench, settings[index]!, [first, second]);
  });
}

const toRange = (length: number): number[] => Array.from({ length }, (_, i) => i + 1);

/** The boundaries of the longest run of the program that a plan leads to. */
async function countPoints(bench: Bench, setting: Setting): Promise<number> {
  let points = 0;
  const outcome = await inTrial(bench, setting, async (machine) => {
    const ended = await finish(machine);
    points = ended.points.length;
    return await judge(bench, setting, { machine, ended, kills: 0 });
  });
  if (outcome.faults.length > 0) throw new Error(`without a kill: ${outcome.faults.join('\n')}`);
  return points;
}

/** What is done beside kills, by name. */
export async function toScenarioTasks(bench: Bench, seed: number): Promise<Readonly<Record<string, readonly Task[]>>> {
  const total = await countPoints(bench, { name: 'ok', plan: ok, onUncertain: 'retry' });
  const draw = (purpose: string, count: number): number[] => toShuffled(toRange(total), toStreamKey(seed, purpose)).slice(0, count);
  const retry = (name: string): Setting => ({ name, plan: ok, onUncertain: 'retry' });
  const { create, upload } = bench.service.requests;
  const named = [`before fetch ${create}`, `after fetch ${create}`, `before fetch ${upload}`, 'before mkdir'];
  return {
    frozen: [...named, ...named, ...draw('frozen', 4)].flatMap((at) =>
      modes.map((onUncertain) => async () => await scenarios.freezeAndThaw(bench, { name: 'frozen', plan: ok, onUncertain }, at)),
    ),
    decided: toRange(4).map(() => async () => await scenarios.decideAndThaw(bench, { name: 'decided', plan: ok, onUncertain: 'ask' })),
    crowd: [2, 4, 8, 2, 4, 8, 2, 4, 8].map((people) => async () => await scenarios.crowd(bench, retry('crowd'), people)),
    restored: [null, null, ...named, ...draw('restored', 20)].map((at) => async () => {
      return await scenarios.restoreState(bench, { ...retry('restored'), plan: plans['stale-ok']! }, at);
    }),
    'two machines': toRange(6).map(() => async () => await scenarios.twoMachines(bench, retry('two machines'))),
    cancelled: draw('cancelled', 24).flatMap((at) =>
      [true, false].map((isFrozen) => async () => await scenarios.cancelAt(bench, retry('cancelled'), { at, isFrozen })),
    ),
    'system calls': hasStrace() ? toSystemCallTasks(bench, retry('system calls')) : [],
  };
}

export function hasStrace(): boolean {
  return spawnSync('strace', ['-V']).status === 0;
}

function toSystemCallTasks(bench: Bench, setting: Setting): Task[] {
  const times = { pwrite64: [1, 4, 9, 16, 30, 50], fsync: [1, 2, 3, 5], pread64: [2, 6, 12], ftruncate: [1], rename: [1], unlink: [1, 2] };
  return Object.entries(times).flatMap(([call, all]) =>
    all.flatMap((nth) =>
      ['EIO', 'ENOSPC'].map((error) => async () => await scenarios.failSystemCall(bench, setting, { call, error, nth })),
    ),
  );
}

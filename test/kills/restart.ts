import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../src/store/open-store.ts';
import { appendEvents } from '../../src/run/run-store.ts';
import { acceptRun, toMemoryPlan } from '../run/memory-provider.ts';
import type { Outcome } from './trial.ts';

const openRuns = 10_000;
const times = 100;
const barMs = 2000;

/** Fills a store with open runs, and measures how long a new process takes from its start until it has claimed the first that is due. */
export async function measureRestart(scratch: string, say: (line: string) => void): Promise<Outcome> {
  const folder = join(scratch, 'state');
  await fill(folder);
  const program = fileURLToPath(new URL('claim-first.ts', import.meta.url));
  const taken = Array.from({ length: times }, () => {
    const begun = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [program, folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return performance.now() - begun;
  }).sort((a, b) => a - b);
  const p99 = taken[Math.ceil(times * 0.99) - 1]!;
  say(
    `${openRuns} open runs, ${times} new processes: ready after ${taken[times / 2]!.toFixed(0)} ms (median), ${p99.toFixed(0)} ms (99 %)`,
  );
  const faults = p99 <= barMs ? [] : [`expected at most ${barMs} ms`];
  return { name: 'restart', kills: 0, adopted: false, attempts: 0, attention: false, bill: 0, faults };
}

/** One run of the size that the program writes, and as many like it as there are to be. */
async function fill(folder: string): Promise<void> {
  const store = openStore(folder);
  const at = new Date().toISOString();
  const job = { provider: 'memory', id: 'job-1', location: '', attempt: 1, createdAt: at, url: null };
  const notes = Array.from({ length: 20 }, (_, i) => ({ type: 'sent', field: `training.field${i}`, value: 'as it was written' }) as const);
  const { key } = await acceptRun(store, { ...toMemoryPlan(), notes }, at);
  const status = { phase: 'running', raw: 'running' } as const;
  await appendEvents(store, key, {
    events: [
      { type: 'job-adopted', job },
      { type: 'status-changed', status, startedAt: at, finishedAt: null },
    ],
    at,
    fence: null,
    poll: { cursor: null, progress: null, at, error: null, failedPolls: null, nextPollAt: at },
  });
  await store.destroy();
  const database = new DatabaseSync(join(folder, 'state.db'));
  const names = (database.prepare(`select name from pragma_table_info('run')`).all() as { name: string }[]).map(({ name }) => name);
  const values = names.map((name) => ({ key: `printf('%032d', n)`, number: 'n + 1' })[name] ?? name);
  database.exec(`with recursive counted(n) as (select 1 union all select n + 1 from counted where n < ${openRuns - 1})
    insert into run (${names.join(', ')}) select ${values.join(', ')} from run, counted`);
  database.close();
}

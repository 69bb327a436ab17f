import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { observe } from '../../../providers/local/observe.ts';
import { getJobs } from '../../../providers/local/run-folder.ts';
import { takeRunLock } from '../../../src/lib/run-lock.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { JobRef } from '../../../src/provider/job.ts';
import { joinQueue } from '../../../src/trainer/queue.ts';
import { runTraining } from '../../../src/trainer/run-training.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readEvents, writeRunFolder } from '../../trainer/small-training.ts';

const job: JobRef = { provider: 'local', id: 'a.1', location: 'here', attempt: 1, createdAt: '', url: null };
const toContext = (workDir: string): Attempt =>
  ({ workDir, signal: new AbortController().signal, now: () => new Date('2026-12-01T00:00:00Z') }) as Attempt;
const started = { type: 'trainer-started', at: '2026-12-01T08:00:00.000Z', nonce: 'a.1', attempt: 1, pid: 1, backend: 'cpu' };

function append(folder: string, ...events: readonly object[]): void {
  const path = join(folder, 'events.jsonl');
  writeFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''), { flag: 'a' });
}

test('a run that waits says for which one, and has started when its turn has come', async () => {
  const workDir = createScratchFolder();
  const lock = takeRunLock(join(workDir, 'run.lock.db'), 0)!;
  append(workDir, { ...started, isQueued: true }, { type: 'training-queued', at: started.at, behind: 'job/a' });
  const first = await observe(job, null, toContext(workDir));
  expect(first).toMatchObject({ status: { phase: 'queued', raw: 'waiting' }, waitingFor: 'job/a', startedAt: null });
  const second = await observe(job, first.cursor, toContext(workDir)); // nothing new
  expect(second).toMatchObject({ status: { raw: 'waiting' }, waitingFor: 'job/a', startedAt: null });
  const at = '2026-12-01T09:00:00.000Z';
  append(workDir, { type: 'data-read', at, rows: 2, validationRows: 0, truncated: 0, steps: 1 });
  const third = await observe(job, second.cursor, toContext(workDir));
  expect(third).toMatchObject({ status: { phase: 'running' }, waitingFor: null, startedAt: at });
  lock.release();
});

test('a run that need not wait has started with its trainer', async () => {
  const workDir = createScratchFolder();
  append(workDir, started);
  expect(await observe(job, null, toContext(workDir))).toMatchObject({ waitingFor: null, startedAt: started.at });
});

test.each([
  ['cancel', 'training-cancelled'],
  ['pause', 'training-paused'],
])('a trainer that waits can be asked to %s', async (command, type) => {
  const root = createScratchFolder();
  const [before, folder] = [join(root, 'before'), join(root, 'run')];
  for (const path of [before, folder]) mkdirSync(path);
  const lock = takeRunLock(join(before, 'run.lock.db'), 0)!;
  const queue = { folder: join(root, 'queue'), jobs: 1, name: 'job/run' };
  await joinQueue({ ...queue, name: 'job/before' }, before);
  writeRunFolder(folder, 'model');
  writeFileSync(join(folder, 'control.json'), JSON.stringify({ command }));
  expect(await runTraining(folder, () => {}, queue)).toBe(0);
  expect(readEvents(folder)).toMatchObject([
    { type: 'trainer-started', isQueued: true },
    { type: 'training-queued', behind: 'job/before' },
    { type, step: 0 },
  ]);
  lock.release();
});

test('the number of trainings at the same time is a positive whole number', () => {
  const withJobs = (value: string | null): number => getJobs({ setting: () => value });
  expect([null, '1', '12'].map(withJobs)).toEqual([1, 1, 12]);
  for (const wrong of ['0', '-1', '1.5', 'many']) expect(() => withJobs(wrong)).toThrow('expected a number of trainings from 1');
});

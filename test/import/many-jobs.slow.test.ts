import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { importJob } from '../../src/import/import-job.ts';
import type { ImportRecord } from '../../src/import/import-record.ts';
import type { RequestKind } from '../../src/sandbox/main.ts';
import { canaryKey } from '../providers/openai-compatible/fixture.ts';
import { killImports } from './killed-imports.ts';
import { createUsedAccount, jobKinds, type JobKind, type UsedAccount } from './used-account.ts';

const fixed = new Date('2026-11-25T12:00:00Z');
const reads: readonly RequestKind[] = ['list', 'get', 'events', 'checkpoints', 'file', 'files', 'content', 'models'];

let account: UsedAccount;
let madeRequests: number;

beforeAll(async () => {
  account = await createUsedAccount();
  madeRequests = account.fixture.sandbox.account(canaryKey).requests.length;
});

afterAll(async () => await account[Symbol.asyncDispose]());

async function importInto(id: string, folder: string, signal?: AbortSignal): Promise<ImportRecord> {
  const c = { ...account.fixture.toAttempt(undefined, undefined, signal), now: () => fixed };
  return await importJob(account.fixture.provider, { id, folder }, c);
}

function readFolder(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]));
}

function readTimes(folder: string): Record<string, bigint> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, statSync(join(folder, name), { bigint: true }).mtimeNs]));
}

test('all 250 jobs are listed, each with what has come of it', async () => {
  const jobs = await Array.fromAsync(account.fixture.provider.account!.jobs!(account.fixture.toAttempt()));
  expect(jobs.map(({ job }) => job.id).sort()).toEqual(Object.values(account.jobs).flat().sort());
  const words = Object.fromEntries(jobs.map(({ job, status }) => [job.id, status.phase]));
  const phases = {
    labels: 'succeeded',
    pairs: 'succeeded',
    deleted: 'succeeded',
    failed: 'failed',
    cancelled: 'cancelled',
    running: 'running',
  };
  for (const kind of jobKinds) expect(new Set(account.jobs[kind].map((id) => words[id])), kind).toEqual(new Set([phases[kind]]));
});

const files = ['IMPORT.json', 'checkpoints.json', 'events.jsonl', 'job-record.json', 'job.jsonc', 'train.jsonl'];
const labelled = ['job.classification.jsonc', 'train.classification.jsonl'];
const expected: Readonly<Record<JobKind, readonly string[]>> = {
  labels: [...files, ...labelled, 'validation.classification.jsonl', 'validation.jsonl', 'results'],
  pairs: [...files, 'results'],
  deleted: [...files.filter((name) => name !== 'train.jsonl'), 'results'],
  failed: [...files, ...labelled],
  cancelled: [...files, ...labelled],
  running: [...files, ...labelled],
};

test.each(jobKinds)('a job of the kind "%s" comes home, and again: nothing is written twice', async (kind) => {
  for (const id of account.jobs[kind].slice(0, 3)) {
    const folder = join(account.fixture.folder, kind, id);
    const record = await importInto(id, folder);
    const names = readdirSync(folder).map((name) => name.replace(/^results-.*\.csv$/, 'results'));
    expect(names.sort()).toEqual([...expected[kind]].sort());
    expect(record.complete).toBe(!['deleted', 'running'].includes(kind));
    const [content, times] = [readFolder(folder), readTimes(folder)];
    expect(await importInto(id, folder)).toEqual(record);
    expect([readFolder(folder), readTimes(folder)]).toEqual([content, times]);
  }
});

test.each(jobKinds)('interrupted at every request, an import of the kind "%s" goes on to the same folder', async (kind) => {
  const id = account.jobs[kind].at(-1)!;
  const whole = join(account.fixture.folder, `whole-${kind}`);
  const from = account.proxy.count('none');
  await importInto(id, whole);
  const requests = account.proxy.count('none') - from;
  expect(requests).toBeGreaterThanOrEqual(5);
  for (let number = 1; number <= requests; number++) {
    for (const moment of ['before', 'after'] as const) {
      const here = join(account.fixture.folder, `${moment}-${number}-${kind}`);
      const controller = new AbortController();
      const begun = account.proxy.count('none');
      account.proxy.onPass = (passing) => {
        if (passing.moment !== moment || passing.number - begun !== number) return true;
        controller.abort(new Error('stop'));
        return false;
      };
      const isDone = await importInto(id, here, controller.signal).then(
        () => true,
        () => false,
      );
      expect([controller.signal.aborted, isDone && moment === 'before']).toEqual([true, false]);
      account.proxy.onPass = () => true;
      await importInto(id, here);
      expect(readFolder(here), `${moment} request ${number} of ${requests}`).toEqual(readFolder(whole));
    }
  }
});

test('a process that is killed after any of its first requests goes on to the same folder and the same run', async () => {
  expect(await killImports(account, { id: account.jobs.labels[0]!, most: 4 })).toEqual({ kills: 4, problems: [] });
});

test('none of it has asked the service to change anything', () => {
  const { requests, violations } = account.fixture.sandbox.account(canaryKey);
  const since = requests.slice(madeRequests);
  expect(since.length).toBeGreaterThan(600);
  expect(since.filter(({ kind }) => !reads.includes(kind))).toEqual([]);
  expect(violations).toEqual([]);
});

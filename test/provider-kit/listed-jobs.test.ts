import { expect, test } from 'vitest';
import { findOwnJobs, findRestart, type ListedJob } from '../../src/provider-kit/listed-jobs.ts';

const at = (second: number): string => new Date(second * 1000).toISOString();

function toJob(second: number | null, job: Partial<ListedJob> = {}): ListedJob {
  const time = second === null ? null : at(second);
  return { id: `job-${second}`, suffix: 'other', training_file: 'file-0', created_at: time, updated_at: time, hasFailed: false, ...job };
}

const jobs = (count: number, isNewestFirst = true): ListedJob[] =>
  Array.from({ length: count }, (_, i) => toJob(2000 + (isNewestFirst ? -i : i)));

test.each<[string, ListedJob[], string | null, boolean]>([
  ['no job at all', [], null, true],
  ['a length at which nobody cuts', jobs(57), null, true],
  ['a round length', jobs(100), null, false],
  ['a power of two', jobs(256), null, false],
  ['a round length that reaches back behind the upload', jobs(100), at(1950), true],
  ['one that does not', jobs(100), at(1500), false],
  ['one that begins with the oldest', jobs(100, false), at(3000), false],
  ['one with an item without a time', [...jobs(99), toJob(null)], at(3000), false],
])('a list that may be cut proves no absence: %s', (_, listed, uploadedAt, isProof) => {
  const verdict = (): string => {
    try {
      return `found ${findOwnJobs(listed, [{ trainingFile: 'file-1', uploadedAt }], { key: 'ours', call: 'GET /jobs' }).length}`;
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(verdict()).toContain(isProof ? 'found 0' : 'GET /jobs: expected a list that is surely whole');
});

const failed = toJob(10, { id: 'a', training_file: 'file-1', suffix: 'ours', updated_at: at(20), hasFailed: true });

test('jobs are found by their name or their file, each with its attempt', () => {
  const renamed = toJob(15, { id: 'b', training_file: 'file-2' });
  const named = toJob(16, { id: 'c', training_file: null, suffix: 'ours' });
  const prepared = [{ trainingFile: 'file-1' }, { trainingFile: 'file-2' }];
  const found = findOwnJobs([failed, renamed, named, toJob(17)], prepared, { key: 'ours', call: 'GET /jobs' });
  expect(found.map(({ job, attempt }) => [job.id, attempt])).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', null],
  ]);
});

test('a job that goes on in the place of a failed one is no job beside it', async () => {
  const later = toJob(21, { id: 'b', training_file: 'file-1', suffix: 'ours' });
  const before = toJob(15, { id: 'c', training_file: 'file-1', suffix: 'ours' });
  const find = (listed: ListedJob[]): string[] =>
    findOwnJobs(listed, [{ trainingFile: 'file-1' }], { key: 'ours', call: 'GET /jobs' }).map(({ job }) => job.id);
  expect(find([failed, later])).toEqual(['a']);
  expect(find([failed, before])).toEqual(['a', 'c']);
  expect(await findRestart(failed, async () => await Promise.resolve([failed, later, before]))).toBe(later);
  expect(await findRestart(later, async () => await Promise.reject(new Error('asked')))).toBeNull();
});

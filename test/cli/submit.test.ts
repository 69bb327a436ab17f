import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { RunView } from '../../src/run/run-view.ts';
import { runProgram, type Ended } from './run-cli.ts';
import { writeJob } from './write-job.ts';

const program = fileURLToPath(new URL('refusing-program.ts', import.meta.url));

/** A job with these targets, each at the service of its name. */
function createJob(...targets: readonly string[]): { path: string; run(...args: readonly string[]): Promise<Ended> } {
  const path = writeJob({
    fields: { name: 'small', targets: Object.fromEntries(targets.map((id) => [id, { provider: id, model: 'm' }])) },
  });
  const folder = dirname(path);
  return {
    path,
    run: async (...args) => await runProgram(program, [...args, '--dir', join(folder, 'state')], { cwd: folder }),
  };
}

test('a submission that is rejected tells the reason, the remedy and what was known before, at once', async () => {
  const { run } = createJob('strict');
  const first = await run('submit', 'job.json');
  expect(first.status).toBe(100);
  expect(first.stderr.split('\n')).toEqual([
    'small/strict  its model cannot be scored: there are no held-out rows: add data.test to the job file, now or after the training',
    'small/strict  rejected  strict  m  2 rows',
    '  no such model',
    '  name a dated one',
    '  note: the model has no date in its name',
    '  note: fewer than 5 rows of the training data have the label "no", "yes": a model hardly learns it from so few',
    'next: fix this and submit the job file again, with --again if the file did not change',
    '',
  ]);
  const again = await run('submit', 'job.json');
  expect(again.stderr).toContain('small/strict  has ended before (rejected)  strict  m  2 rows\n  no such model\n  name a dated one\n');
});

test('with --wait the targets that could be submitted are followed, though another could not', async () => {
  const { run } = createJob('closed', 'memory');
  const text = await run('submit', 'job.json', '--wait', '--set', 'data.test=./train.jsonl');
  expect(text.status).toBe(77);
  expect(text.stderr).toContain(
    'small/closed: KEY: expected a key, found none\n  set KEY\nthe other targets are not affected: small/memory is submitted',
  );
  expect(text.stderr.trimEnd().split('\n').at(-1)).toBe('small/closed: KEY: expected a key, found none');
  expect((await run('status', 'small/memory', '--cached', '--exit-code')).status).toBe(0);
  const json = await run('submit', 'job.json', '--wait', '--json');
  expect(json.status).toBe(77);
  expect(JSON.parse(json.stdout)).toMatchObject({
    runs: [{ id: 'small/memory', terminal: true }],
    error: { code: 'credentials-invalid', message: 'small/closed: KEY: expected a key, found none' },
  });
});

test('where no target could be submitted nothing is followed', async () => {
  const { run } = createJob('closed');
  expect(await run('submit', 'job.json', '--wait')).toMatchObject({ status: 77, stdout: '' });
});

test('a script that polls sees the end', async () => {
  const { run, path } = createJob('memory');
  expect((await run('submit', path, '-q')).status).toBe(0);
  const read = async (...args: string[]): Promise<RunView> =>
    (JSON.parse((await run('status', 'small', '--json', ...args)).stdout) as { runs: RunView[] }).runs[0]!;
  expect(await read('--cached')).toMatchObject({ terminal: false });
  expect((await run('status', '--cached')).stderr).toMatch(
    /^small\/memory was not seen yet; `orchestrate status --dir \S+ --refresh` looks now\n$/,
  );
  expect(await read()).toMatchObject({ terminal: true, ok: true });
  expect((await run('status', '--cached', '--refresh')).status).toBe(2);
});

test('a file whose training was changed after the submission has no run', async () => {
  const { run, path } = createJob('memory');
  await run('submit', path, '-q');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"model":"m"', '"model":"other"'));
  const { status, stderr } = await run('wait', 'job.json');
  expect(status).toBe(102);
  expect(stderr).toContain(
    'job.json has no run yet: nothing that it trains was submitted from here; the runs called "small" train something else: small/memory',
  );
});

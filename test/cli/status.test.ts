import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { runCli, runProgram } from './run-cli.ts';
import { writeJob } from './write-job.ts';

const program = fileURLToPath(new URL('refusing-program.ts', import.meta.url));

test('an empty list says in which folder it looked', async () => {
  const dir = join(createScratchFolder(), 'state');
  const hint = `no runs yet in ${dir}: \`npx orchestrate submit job.json --dir ${dir}\` makes one, \`--dir\` names another folder\n`;
  expect(await runCli('status', '--dir', dir)).toEqual({ status: 0, stdout: '', stderr: hint });
  expect(await runCli('status', '--dir', dir, '--tag', 'a=b')).toMatchObject({ stderr: hint });
});

test('a tag that no run has is told as that, and a later submission changes the tags of its run', async () => {
  const path = writeJob({ fields: { name: 'small', targets: { memory: { provider: 'memory', model: 'm' } } } });
  const run = async (...args: string[]) => await runProgram(program, [...args, '--dir', join(dirname(path), 'state')]);
  await run('submit', path, '--tag', 'a=b');
  expect((await run('status', '--tag', 'a=c')).stderr).toBe('none of 1 run has the tag a=c\n');
  expect((await run('status', 'small', '--tag', 'a=c', '--tag', 'd=e')).stderr).toBe('none of 1 run has the tags a=c and d=e\n');
  await run('submit', path, '--tag', 'a=c');
  expect((await run('status', '--tag', 'a=c', '-q')).stdout).toBe('small/memory\n');
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { startProgram } from './run-cli.ts';
import { writeJob } from './write-job.ts';

test('Ctrl-C ends a command that waits for its standard input', async () => {
  const child = spawn(process.execPath, ['bin/orchestrate.js', 'predict', 'bad', '--dir', createScratchFolder()], { stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close');
  // More than a pipe holds: when it is gone, the command reads.
  await new Promise((resolve) => void child.stdin.write('a\n'.repeat(2 ** 19), resolve));
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
});

test('the second Ctrl-C ends a command at once, even one that does not hear the first', async () => {
  const job = writeJob({ provider: 'deaf', model: 'anything' });
  const { child, ended } = startProgram(join(import.meta.dirname, 'deaf-program.ts'), ['submit', job, '--dir', createScratchFolder()]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stderr!, 'data'); // it says that it begins to wait
  child.kill('SIGINT');
  // Signals that come together are one, and one that comes while the process ends would end it by itself.
  const again = setInterval(() => child.kill('SIGINT'), 1000);
  const { status } = await ended;
  clearInterval(again);
  expect(status).toBe(130);
});

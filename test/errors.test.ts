import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toFailureData, toFileFailure } from '../src/errors.ts';
import { startProgram } from './cli/run-cli.ts';
import { createScratchFolder } from './scratch.ts';

const toSystemError = (code: string, message = `${code}: told by the system`): Error => Object.assign(new Error(message), { code });

test.each([
  ['EMFILE', 'too-many-files', 'ulimit -n'],
  ['ENFILE', 'too-many-files', 'ulimit -n'],
  ['ENOSPC', 'disk-full', 'free some space'],
  ['EDQUOT', 'disk-full', 'free some space'],
])('%s is a limit of this machine, wherever it comes up', (system, code, hint) => {
  const hints = expect.stringContaining(hint) as string;
  expect(toFailureData(toSystemError(system))).toMatchObject({ code, cause: 'user', hint: hints });
  expect(toFailureData(toFileFailure(toSystemError(system), 'data file', '/x'))).toMatchObject({ code, hint: hints });
});

test('Node says in words that it can read no more modules', () => {
  const error = toSystemError('ERR_INVALID_PACKAGE_CONFIG', 'Cannot read package config /x/package.json: too many open files.');
  expect(toFailureData(error).code).toBe('too-many-files');
  expect(toFailureData(new Error('anything else'))).toMatchObject({ code: 'unexpected', hint: null });
});

/** Starts processes until the system starts no more, as `spawn` reports it, and prints what is made of it. */
const starve = `
  import { openSync } from 'node:fs';
  import { predict } from ${JSON.stringify(join(process.cwd(), 'providers/local/predict.ts'))};
  import { toFailureData } from ${JSON.stringify(join(process.cwd(), 'src/errors.ts'))};
  const model = { kind: 'folder', identity: 'm', path: '/m', labels: ['a'], seed: 1, maxLength: 8 };
  const context = { signal: new AbortController().signal, setting: () => null };
  const answers = predict(model, [{ id: '1', text: 'a' }], context);
  try { for (;;) openSync(process.execPath); } catch {}
  try { await answers.next(); } catch (error) { console.log(JSON.stringify(toFailureData(error))); }
`;

test('a process that cannot be started for want of files is a failure in one line, and no crash', async () => {
  const path = join(createScratchFolder(), 'starve.ts');
  writeFileSync(path, starve);
  const { stdout, stderr, status } = await startProgram('-e', [
    `require('node:child_process').execFileSync('bash', ['-c', 'ulimit -n 40; exec "$0" "$1"', process.execPath, ${JSON.stringify(path)}], { stdio: 'inherit' })`,
  ]).ended;
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ code: 'too-many-files', message: expect.stringContaining('EMFILE') as string });
});

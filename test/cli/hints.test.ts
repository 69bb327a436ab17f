/** A command that the program names must mean the same state and the same account as the one that was typed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { completeCommands, nameCommand, repeatOptions } from '../../src/cli/cli.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { createScratchFolder } from '../scratch.ts';
import { runProgram, startCli, type Ended } from './run-cli.ts';
import { writeJob } from './write-job.ts';

const program = fileURLToPath(new URL('refusing-program.ts', import.meta.url));

afterEach(() => repeatOptions({}));

test.each([
  [{}, 'wait a/b', 'wait a/b'],
  [{ dir: 'state' }, 'wait a/b', 'wait a/b --dir state'],
  [{ dir: "it's here" }, 'wait a/b', String.raw`wait a/b --dir 'it'\''s here'`],
  [{ dir: '$HOME' }, 'deploy a/b --hours 1', "deploy a/b --dir '$HOME' --hours 1"],
  [{ dir: '' }, 'clean', "clean --dir ''"],
  [
    { dir: 'd', envFile: '.env.test' },
    'resolve a/b --adopt ID | --absent',
    'resolve a/b --dir d --env-file .env.test --adopt ID | --absent',
  ],
])('with %j the command %s is %s', (options, words, named) => {
  repeatOptions(options);
  expect(nameCommand(words)).toBe(`npx orchestrate ${named}`);
  expect(completeCommands(`then \`${nameCommand(words)}\``)).toBe(`then \`npx orchestrate ${named}\``);
  expect(completeCommands(`now \`orchestrate ${words}\` or \`orchestrate wait\`; orchestrate logs`)).toBe(
    `now \`orchestrate ${named}\` or \`${nameCommand('wait').slice(4)}\`; orchestrate logs`,
  );
});

test('what is said repeats --dir too: a failure of a run, and why a model cannot be scored', () => {
  const stream = new PassThrough();
  repeatOptions({ dir: 's' });
  const terminal = createTerminal(new PassThrough() as Writable as NodeJS.WriteStream, stream as Writable as NodeJS.WriteStream);
  terminal.say('`orchestrate resume a/b` goes on, `orchestrate logs a/b --follow` shows why');
  expect(String(stream.read())).toBe('`orchestrate resume a/b --dir s` goes on, `orchestrate logs a/b --dir s --follow` shows why\n');
});

test('hints on standard error, in pages, in JSON and after a submission repeat --dir', async () => {
  const path = writeJob({ fields: { name: 'small', targets: { memory: { provider: 'memory', model: 'm' } } } });
  const cwd = dirname(path);
  const run = async (...args: string[]): Promise<Ended> => await runProgram(program, [...args, '--dir', './other state'], { cwd });
  mkdirSync(join(cwd, '.orchestrate')); // another state, which the named one must not be taken for
  const again = "--dir './other state'";
  expect((await run('status')).stderr).toContain(`\`orchestrate submit job.json ${again}\` makes one`);
  expect((await run('submit', 'job.json')).stderr).toContain(`next: orchestrate wait small/memory ${again}\n`);
  expect((await run('status', 'small/memory')).stdout).toMatch(/\n {2}next: orchestrate .* --dir '\.\/other state'\n$/);
  const hint = `\`orchestrate status ${again}\` lists all runs`;
  expect((await run('logs', 'large')).stderr).toContain(hint);
  expect(JSON.parse((await run('logs', 'large', '--json')).stdout)).toMatchObject({ error: { hint } });
});

test('what init names next repeats --dir, and a path with a space can be typed', async () => {
  const cwd = createScratchFolder();
  writeFileSync(join(cwd, 'my rows.csv'), 'text,label\ngood,yes\nbad,no\n');
  const run = async (...args: string[]): Promise<string> => (await startCli([...args, '--dir', 's'], { cwd }).ended).stdout;
  expect(await run('init', 'my rows.csv', '-o', 'my job.jsonc')).toContain("\nnext: orchestrate plan 'my job.jsonc' --dir s\n");
  expect(await run('init', '--sample', 'a b')).toContain("\nnext: orchestrate submit 'a b/job.json' --dir s --wait\n");
});

import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { install, parts } from '../../../../providers/local/install/index.ts';
import { takeRunLock } from '../../../../src/lib/run-lock.ts';
import type { Attempt } from '../../../../src/provider/context.ts';
import { backendNames } from '../../../../src/trainer/backends/index.ts';
import { createOrchestrator } from '../../../../src/index.ts';
import { createScratchFolder } from '../../../scratch.ts';
import { createContexts, createSteppedClock } from '../../stepped-context.ts';

afterEach(() => vi.unstubAllEnvs());

/** A command of the shell that the build finds in the place of a tool. */
function writeTool(folder: string, name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A machine whose tools do what the scripts say; all is well where there is none. */
function createMachine({ npm = ':', python = ':', compiler = ':' } = {}): { context: Attempt; cache: string; heard: string[] } {
  const root = createScratchFolder();
  writeTool(root, 'npm', npm);
  vi.stubEnv('PATH', `${root}${delimiter}${process.env['PATH']}`);
  const values = {
    XDG_CACHE_HOME: join(root, 'cache'),
    PYTHON: python === '' ? join(root, 'none') : writeTool(root, 'python', python),
    CXX: compiler === '' ? join(root, 'none') : writeTool(root, 'compiler', compiler),
  };
  const heard: string[] = [];
  const context = {
    ...createContexts({ clock: createSteppedClock(), values }).toAttempt(),
    report: (text: string) => void heard.push(text),
  };
  return { context, cache: join(root, 'cache/orchestrate'), heard };
}

test('every part is a backend, and another name is refused with those that there are', async () => {
  expect(parts.filter((part) => !(backendNames as readonly string[]).includes(part))).toEqual([]);
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder() });
  await expect(orchestrator.install('none')).rejects.toMatchObject({
    code: 'usage',
    message: `nothing is called "none" that could be installed: expected one of ${parts.join(', ')}`,
  });
});

test.each([
  [{ npm: 'exit 3' }, /`npm --version` does not work/],
  [{ python: '' }, /`.*none -m pip --version` does not work: there is no such command/],
  [{ python: 'echo No module named pip; exit 1' }, /does not work: No module named pip/],
  [{ compiler: '' }, /`.*none --version` does not work: there is no such command/],
])('a machine without a tool is told which one: %j', async (tools, message) => {
  const { context, cache } = createMachine(tools);
  await expect(install('tensorflow', context)).rejects.toMatchObject({
    code: 'configuration-invalid',
    message: expect.stringMatching(message) as string,
    hint: expect.stringMatching(/^install /) as string,
  });
  expect(readdirSync(cache)).toEqual(['tensorflow.lock.db']);
});

test.each([
  [{ npm: '[ "$1" = --version ] || { echo registry unreachable; exit 1; }' }, 'service-unavailable', /npm install.*registry unreachable/],
  [{ npm: '[ "$1" = --version ] || { echo ENOSPC; exit 1; }' }, 'disk-full', /ENOSPC/],
  [{ python: '[ "$3" = --version ] || { echo hashes differ; exit 1; }' }, 'service-unavailable', /-m pip download.*hashes differ/],
])('a step that fails is told with the words of its tool, and leaves nothing: %j', async (tools, code, message) => {
  const { context, cache, heard } = createMachine(tools);
  await expect(install('tensorflow', context)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  expect(heard[0]).toBe('tensorflow: 1 of 4: packages of npm');
  expect(readdirSync(cache)).toEqual(['tensorflow.lock.db']);
});

test('a build that is interrupted ends its tools, and leaves nothing', async () => {
  const { context, cache } = createMachine({ npm: '[ "$1" = --version ] || sleep 600' });
  const interrupt = new AbortController();
  const report = (text: string): void => {
    if (text.includes('packages of npm')) setImmediate(() => interrupt.abort(new Error('Ctrl-C')));
  };
  await expect(install('tensorflow', { ...context, report, signal: interrupt.signal })).rejects.toThrow('Ctrl-C');
  expect(existsSync(join(cache, 'tensorflow.part'))).toBe(false);
});

test('a second build of the same backend is refused', async () => {
  const { context, cache } = createMachine({ python: '' });
  await expect(install('tensorflow', context)).rejects.toThrow('does not work'); // the folder is there now
  const lock = takeRunLock(join(cache, 'tensorflow.lock.db'), 0)!;
  await expect(install('tensorflow', context)).rejects.toMatchObject({ message: `another process builds ${join(cache, 'tensorflow')}` });
  lock.release();
});

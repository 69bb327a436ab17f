import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createOrchestrator, type Provider } from '../../src/index.ts';
import { createMemoryService } from '../run/memory-provider.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli, startCli } from './run-cli.ts';

test('doctor takes a training step on each backend and finds all well here', async () => {
  const env = { ...process.env, HF_TOKEN: undefined };
  const { status, stdout } = await startCli(['doctor', '--dir', createScratchFolder()], { env }).ended;
  expect(stdout).toMatch(/^- {8}Hugging Face: not set up: HF_TOKEN not set$/m); // neither well nor missing
  expect(stdout).toMatch(/^ok {7}backend wasm: a training step in [\d.]+ ms/m);
  expect(stdout).toMatch(/^ok {7}backend wasm-portable: a training step in [\d.]+ ms/m);
  expect(stdout).toMatch(/^ok {7}backend cpu: a training step in [\d.]+ ms/m);
  expect(status).toBe(0);
});

test('what a provider misses is told with its remedy', async () => {
  const provider: Provider = {
    ...createMemoryService().provider,
    check: async () => await Promise.resolve([{ name: 'a key', ok: false, found: 'none', hint: 'make one' }]),
  };
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [provider] });
  expect(await orchestrator.check()).toContainEqual({ name: 'a key', ok: false, found: 'none', hint: 'make one' });
});

test('clean shows what it would delete, and deletes ended runs and unused data with --yes', async () => {
  const dir = createScratchFolder();
  await runCli('submit', 'fixtures/sentiment/job.json', '--set', 'training.epochs=0.02', '--wait', '-q', '--dir', dir);
  const rehearsal = await runCli('clean', '--dir', dir);
  expect(rehearsal.stdout).toMatch(/^sentiment\/laptop +\d\.\d MB$/m);
  expect((await runCli('status', '-q', '--dir', dir)).stdout).toBe('sentiment/laptop\n');
  expect((await runCli('clean', '--older-than', '1h', '--dir', dir)).stderr).toContain('nothing to clean');
  expect((await runCli('clean', '--yes', '-q', '--dir', dir)).stdout).toBe('sentiment/laptop\n');
  expect((await runCli('status', '-q', '--dir', dir)).stdout).toBe('');
  expect(readdirSync(join(dir, 'runs'))).toEqual([]);
  expect(readdirSync(join(dir, 'data'))).toEqual([]);
});

test('a run that has not ended is never cleaned away', async () => {
  const service = createMemoryService();
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [service.provider] });
  const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=anything']);
  await orchestrator.submit(job);
  expect(await orchestrator.clean({ dryRun: false })).toEqual([]);
  expect(await orchestrator.list()).toHaveLength(1);
});

test.each(['bash', 'zsh', 'fish'])('the completion script for %s is printed', async (shell) => {
  const { status, stdout } = await runCli('completion', shell);
  expect(status).toBe(0);
  expect(stdout).toContain('orchestrate');
});

test('commands and their options are completed', async () => {
  expect((await runCli('complete', '--', 'su')).stdout).toContain('submit');
  expect((await runCli('complete', '--', 'submit', '--w')).stdout).toContain('--wait');
});

test('files and commands are completed in a bash without the package bash-completion', async () => {
  const { stdout: script } = await runCli('completion', 'bash');
  const words = `COMP_WORDS=(orchestrate plan fixtures/hosted/j); COMP_CWORD=2; COMP_LINE="\${COMP_WORDS[*]}"; COMP_POINT=\${#COMP_LINE}`;
  const call = `orchestrate() { ${JSON.stringify(process.execPath)} bin/orchestrate.js "$@"; }; __orchestrate_complete 2>/dev/null; echo "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', `${script}\n${words}\n${call}`]);
  expect(stdout).toBe('fixtures/hosted/job.json\n');
});

test('limits, times and tags of the command line are checked', async () => {
  const dir = createScratchFolder();
  for (const args of [
    ['status', '--limit', '0'],
    ['status', '--tag', 'team'],
    ['wait', 'x', '--timeout', 'soon'],
  ]) {
    expect((await runCli(...args, '--dir', dir)).status, args.join(' ')).toBe(2);
  }
});

test('what only reads makes no state folder', async () => {
  const dir = join(createScratchFolder(), 'state');
  for (const args of [['plan', 'fixtures/sentiment/job.json'], ['status'], ['status', '--json'], ['providers'], ['clean', '--yes']]) {
    expect((await runCli(...args, '--dir', dir)).status, args.join(' ')).toBe(0);
  }
  for (const args of [
    ['wait', 'sentiment'],
    ['status', 'sentiment'],
    ['compare', 'sentiment'],
  ]) {
    expect((await runCli(...args, '--dir', dir)).status, args.join(' ')).toBe(102);
  }
  expect(existsSync(dir)).toBe(false);
  // What a job file's providers know of it would be kept.
  expect((await runCli('status', 'fixtures/sentiment/job-validation.json', '--dir', dir)).status).toBe(102);
});

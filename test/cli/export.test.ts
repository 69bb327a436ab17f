import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCli } from './run-cli.ts';
import { createScratchFolder } from '../scratch.ts';
import { fixtures, tinyLlama } from '../trainer/gguf/language-folder.ts';
import { readGguf } from '../trainer/gguf/read-gguf.ts';

/** A folder with a model in `./my model`, and the program in it. */
function openFolder(): { cwd: string; run: (...args: string[]) => ReturnType<typeof startCli>['ended'] } {
  const cwd = createScratchFolder();
  cpSync(tinyLlama, join(cwd, 'my model'), { recursive: true });
  return { cwd, run: async (...args) => await startCli(['export', ...args], { cwd }).ended };
}

test('a folder becomes one file, called like it; a second call does not touch the file', async () => {
  const { cwd, run } = openFolder();
  const { status, stdout, stderr } = await run('./my model', '--format', 'gguf');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^written to my model-f16\.gguf: 276,416 parameters in F16, 574 kB\nwarning: llama\.cpp also merges 110 pairs/);
  expect(readGguf(join(cwd, 'my model-f16.gguf')).metadata.get('general.name')).toBe('my model');
  const again = await run('./my model', '--format', 'gguf');
  expect(again.status).toBe(2);
  expect(again.stderr).toContain('expected a new file, found one: ');
  const json = await run('my model', '--format', 'gguf', '--out', 'other.gguf', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ path: join(cwd, 'other.gguf'), tensors: 47, parameters: 276_416 });
});

test('what cannot be exported is refused, with what to do, and leaves nothing', async () => {
  const { cwd, run } = openFolder();
  mkdirSync(join(cwd, 'adapter'));
  writeFileSync(join(cwd, 'adapter/adapter_config.json'), '{}');
  const cases: [args: string[], status: number, message: string][] = [
    [['my model'], 2, 'expected where the model goes, --push hub:owner/name or --format gguf, found nothing'],
    [['my model', '--format', 'gguf', '--push', 'hub:a/b'], 2, 'found both'],
    [['my model', '--format', 'gguf', '--public'], 2, '--public and --replace belong to --push, --out belongs to --format'],
    [['my model', '--format', 'onnx'], 2, '--format expects gguf, found "onnx"'],
    [['adapter', '--format', 'gguf'], 2, '`orchestrate merge adapter --out FOLDER` makes one model'],
    [[join(fixtures, 'models/tiny-bert'), '--format', 'gguf'], 65, 'a GGUF file is for models of the Llama family'],
    [['nothing', '--format', 'gguf'], 102, 'no run is called "nothing"'],
    [['./nothing', '--format', 'gguf'], 66, 'model configuration'],
    [['my model', '--format', 'gguf', '--out', 'nowhere/x.gguf'], 66, 'nowhere'],
  ];
  for (const [args, status, message] of cases) {
    const ended = await run(...args);
    expect([args, ended.stderr]).toEqual([args, expect.stringContaining(message)]);
    expect(args.join(' ') + ended.status).toBe(args.join(' ') + status);
  }
  expect(readdirSync(cwd).filter((name) => /gguf|part$/.test(name))).toEqual([]);
  expect(existsSync(join(cwd, 'nowhere'))).toBe(false);
});

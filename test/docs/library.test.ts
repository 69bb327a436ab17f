import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';

test('the example of the page runs as it stands', async () => {
  const folder = createScratchFolder();
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync('docs/library.md', 'utf8'))!;
  writeFileSync(join(folder, 'example.ts'), example!.replace(`'finetune-orchestrator'`, `'${join(process.cwd(), 'src/index.ts')}'`));
  const rows = readFileSync('fixtures/sentiment/train.jsonl', 'utf8').split('\n');
  writeFileSync(join(folder, 'train.jsonl'), rows.slice(0, 64).join('\n'));
  writeFileSync(join(folder, 'test.jsonl'), rows.slice(64, 96).join('\n'));
  cpSync('fixtures/models/tiny-bert', join(folder, 'model'), { recursive: true });
  const job = {
    version: 1,
    name: 'sentiment',
    task: 'classification',
    data: { train: './train.jsonl', test: './test.jsonl' },
    training: { loss: 'answer' },
    targets: { laptop: { provider: 'local', model: './model' } },
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  const { status, stdout, stderr } = await runProgram('example.ts', [], { cwd: folder });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^sentiment\/laptop: 1 fields cannot be followed$/m);
  expect(stdout).toMatch(/^sentiment\/laptop succeeded 4$/m);
  expect(stdout).toMatch(/^laptop 0\.\d{3} /m);
  expect(stdout).toMatch(/^(positive|negative)\n$/m);
});

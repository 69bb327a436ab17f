import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startReplayer } from './replay.ts';

const replayer = startReplayer();
afterAll(async () => await replayer[Symbol.asyncDispose]());

/*
 * `fixtures/huggingface/logs` has what the container prints for recorded trainings: lines as texts, events as objects without number and
 * time. The sandbox replays them. `MAKE=1` writes them anew.
 */
test.each([
  ['autotrain-classification', 'autotrain-classification-merged.log', 3],
  ['autotrain-sft', 'autotrain-sft.out', null],
  ['trl-sft', 'trl-sft.out', null],
  ['trl-dpo', 'trl-dpo.out', null],
  ['autotrain-hidden-failure', 'autotrain-failed-quantization.out', null],
])('%s is what the container prints for %s', async (name, recorded, epochs) => {
  const { output, hidden } = await replayer.replay({ path: resolve('fixtures/huggingface', recorded), epochs, seconds: 0 });
  const lines = [...output, ...(hidden === null ? [] : [{ type: 'training-failed', ...hidden }])];
  const text = `[\n${lines.map((line) => ` ${JSON.stringify(line)}`).join(',\n')}\n]\n`;
  const path = resolve('fixtures/huggingface/logs', `${name}.json`);
  if (process.env['MAKE'] === '1') writeFileSync(path, text);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { runParity } from './run-parity.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');

const { checks, skipped } = await runParity(join(fixtures, 'parity'), { backends: ['wasm', 'wasm-portable'] });

test.each(['wasm, relaxed-simd', 'wasm, simd', 'wasm-portable'])('every figure of the reference is checked and met: %s', (backend) => {
  expect(checks.filter((check) => !check.passed)).toEqual([]);
  const names = checks.map((check) => check.name);
  const count = (pattern: string, file = 'bert'): number =>
    names.filter((name) => name.startsWith(file) && name.includes(`on ${backend}: ${pattern}`)).length;
  expect(count('hidden_states.')).toBe(3);
  expect(count('logits')).toBe(1);
  expect(count('step.', 'bert-step')).toBe(3);
  expect(count('bert.')).toBeGreaterThanOrEqual(39 * 5);
  expect(count('curve.loss', 'bert-step')).toBe(20);
  expect(count('hidden_states.', 'distilbert')).toBe(3);
  expect(count('logits', 'distilbert')).toBe(1);
  expect(count('distilbert.', 'distilbert')).toBeGreaterThanOrEqual(35 * 5);
  expect(count('curve.loss', 'distilbert-step')).toBe(8);
  expect(count('curve.loss', 'distilbert-several-step')).toBe(8); // several labels a row
  expect(count('step.', 'distilbert-several-step')).toBe(3);
  expect(count('curve.loss', 'bert-lora')).toBe(20);
  expect(count('trained.entries', 'bert-lora')).toBe(10);
  expect(count('trained.merged_logits', 'bert-lora')).toBe(1);
  expect(count('token_logprobs', 'llama-forward')).toBe(3);
  expect(count('greedy.new_ids', 'llama-forward') + count('logits', 'llama-forward')).toBe(2);
  expect(count('curve.loss', 'llama-sft-step')).toBe(20);
  expect(count('trained ', 'llama-sft-step')).toBe(71);
  expect(count('curve.loss', 'llama-dpo-step')).toBe(20);
  expect(count('policy_', 'llama-dpo-step') + count('reference_', 'llama-dpo-step')).toBe(4);
  for (const family of ['gpt2', 'qwen2', 'qwen3']) expect(count('logits', `arch-${family}`)).toBe(1);
  expect(count('curve.trainer.grad_norm', 'bert-step')).toBe(20);
  expect(count('curve.final_params', 'bert-step')).toBe(41 * 2);
  expect(names.filter((name) => name.includes(`on ${backend}: accumulation.classifier`))).toHaveLength(2);
  expect(names.filter((name) => name.startsWith('tokenizer-tiny-bert.json: case'))).toHaveLength(87 * 3);
  expect(names.filter((name) => name.startsWith('schedules.json: schedules'))).toHaveLength(6 * 3);
  expect(names.some((name) => name.startsWith('metrics.json'))).toBe(true);
  expect(skipped).toContain('tokenizer-tiny-bert.json: offsets: the tokenizer library has none');
});

/** A folder with one reference file, changed, under another name. */
function createFolder(name: string, change: (json: Record<string, unknown>) => unknown): string {
  const folder = createScratchFolder();
  const source = join(fixtures, 'parity');
  writeFileSync(
    join(folder, `other-${name}`),
    JSON.stringify(change(JSON.parse(readFileSync(join(source, name), 'utf8')) as Record<string, unknown>)),
  );
  for (const tensors of ['bert-head.safetensors', 'bert-forward.safetensors']) cpSync(join(source, tensors), join(folder, tensors));
  return folder;
}

test('a wrong figure fails, and only that one', async () => {
  const folder = createFolder('bert-forward.json', (json) => ({
    ...json,
    logits: (json['logits'] as number[][]).map((row) => row.map((x) => x + 2e-5)),
  }));
  const { checks } = await runParity(folder, { backends: ['wasm'] });
  expect(checks.filter((check) => !check.passed).map((check) => check.name)).toEqual([
    'other-bert-forward.json on wasm, relaxed-simd: logits, largest difference',
    'other-bert-forward.json on wasm, simd: logits, largest difference',
  ]);
});

test('a model beside the folder is found before our own one', async () => {
  const folder = createFolder('bert-forward.json', (json) => ({ ...json, model: 'models/named-otherwise' }));
  expect((await runParity(folder, { backends: ['wasm'] })).skipped).toContain(
    'other-bert-forward.json: no model folder models/named-otherwise',
  );
  mkdirSync(join(folder, 'models'));
  cpSync(join(fixtures, 'models/tiny-bert'), join(folder, 'models/named-otherwise'), { recursive: true });
  const { checks } = await runParity(folder, { backends: ['wasm'] });
  expect(checks.length).toBeGreaterThan(8);
  expect(checks.every((check) => check.passed)).toBe(true);
});

test('a file that is broken is a failure, one that is unknown is skipped by name', async () => {
  const folder = createFolder('schedules.json', (json) => ({ ...json, schedules: [{ name: 3 }] }));
  writeFileSync(join(folder, 'half.json'), '{"a":');
  writeFileSync(join(folder, 'notes.json'), '{"a":1}');
  const { checks, skipped } = await runParity(folder, { backends: ['wasm'] });
  expect(checks.map(({ name, passed }) => [name, passed])).toEqual([
    ['half.json: can be checked', false],
    ['other-schedules.json: can be checked', false],
  ]);
  expect(skipped).toEqual(
    expect.arrayContaining(['notes.json: not a file that is checked', 'bert-head.safetensors: not a file that is checked']),
  );
});

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startBackend } from '../../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../../src/trainer/engine/network.ts';
import { openLanguageModel } from '../../../../src/trainer/language/model.ts';
import type * as protocol from '../../../../src/trainer/protocol.ts';
import { runTraining } from '../../../../src/trainer/run-training.ts';
import { chat, sumLogProbabilities } from '../../../../src/trainer/tasks/language/chat.ts';
import { readChatRows } from '../../../../src/trainer/tasks/language/rows.ts';
import { readTokenizer } from '../../../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../../../scratch.ts';
import { tinyLlama } from '../../language/small-language.ts';
import { readTensors } from '../../read-tensors.ts';
import { readEvents, toFigures } from '../../small-training.ts';
import { chatRows, lora, writeLanguageRun, type LanguageTraining } from './language-training.ts';

/** A training takes no step after this many; 0: it is not asked to pause. */
const pause = vi.hoisted(() => ({ after: 0, asked: 0 }));
vi.mock(import('../../../../src/trainer/protocol.ts'), async (importOriginal): Promise<typeof protocol> => {
  const real = await importOriginal();
  return {
    ...real,
    readControlRequest: (folder) => (pause.after > 0 && pause.asked++ >= pause.after ? 'pause' : real.readControlRequest(folder)),
  };
});

async function train(folder: string, pauseAfter = 0): Promise<void> {
  Object.assign(pause, { after: pauseAfter, asked: 0 });
  const said: string[] = [];
  expect([await runTraining(folder, (text) => said.push(text)), said, readEvents(folder).at(-1)]).toEqual([
    0,
    [],
    expect.objectContaining({ type: pauseAfter > 0 ? 'training-paused' : 'training-finished' }),
  ]);
}

/** The log-probabilities of the rows, of what a folder holds. */
async function readModel(folder: string, adapter?: string): Promise<number[]> {
  const source = { folder, seed: 9, maxLength: 96, ...(adapter === undefined ? {} : { adapter }) };
  const model = openLanguageModel(await startBackend('wasm'), source, { task: chat });
  const path = join(createScratchFolder(), 'rows.jsonl');
  writeFileSync(path, chatRows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const { rows } = await readChatRows({ tokenizer: readTokenizer(folder), config: model.config, maxLength: 96 }, path);
  const found = sumLogProbabilities(
    model,
    rows.map((row) => row!),
  );
  closeNetwork(model);
  return found;
}

const cases: readonly (LanguageTraining & { readonly trained: string })[] = [
  { trained: 'all of it', task: 'chat', adapter: null },
  { trained: 'an adapter', task: 'chat', adapter: lora },
  { trained: 'all of it', task: 'preference', adapter: null },
  { trained: 'an adapter', task: 'preference', adapter: lora },
];

test.each(cases)('a training that was paused ends with the bits of one that was not: $task, $trained', async (training) => {
  const [whole, paused] = [createScratchFolder(), createScratchFolder()];
  for (const folder of [whole, paused]) writeLanguageRun(folder, training);
  await train(whole);
  await train(paused, 2);
  expect(readEvents(paused).filter(({ type }) => type === 'step-finished')).toHaveLength(2);
  expect(existsSync(join(paused, 'model'))).toBe(false);
  await train(paused);
  expect(readEvents(paused).find(({ type }) => type === 'training-resumed')).toMatchObject({ step: 2 });
  expect(toFigures(readEvents(paused))).toEqual(toFigures(readEvents(whole)));
  const files = ['model.safetensors', ...(training.adapter ? ['adapter/adapter_model.safetensors'] : [])];
  for (const name of files) expect(readFileSync(join(paused, 'model', name)).equals(readFileSync(join(whole, 'model', name)))).toBe(true);
});

test('a chat is learned, and the folder that is saved reads again, merged and as an adapter on its base', async () => {
  const folder = createScratchFolder();
  writeLanguageRun(folder, { task: 'chat', adapter: lora });
  await train(folder);
  const evaluations = readEvents(folder).flatMap((event) => (event.type === 'epoch-evaluated' ? [event.loss] : []));
  expect(evaluations.length).toBeGreaterThan(2);
  expect(evaluations.at(-1)).toBeLessThan(evaluations[0]!);

  const [base, merged, adapted] = [
    await readModel(tinyLlama),
    await readModel(join(folder, 'model')),
    await readModel(tinyLlama, join(folder, 'model/adapter')),
  ];
  for (const [i, value] of merged.entries()) {
    expect(value).toBeGreaterThan(base[i]!);
    expect(Math.abs(value - adapted[i]!)).toBeLessThan(1e-4);
  }
  const config = JSON.parse(readFileSync(join(folder, 'model/adapter/adapter_config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ task_type: 'CAUSAL_LM', modules_to_save: null, peft_type: 'LORA', r: 4, lora_alpha: 8 });
  const modules = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
  expect(readTensors(join(folder, 'model/adapter/adapter_model.safetensors')).size).toBe(2 * 5 * modules.length); // 5 layers
  expect(readTensors(join(folder, 'model/model.safetensors')).has('lm_head.weight')).toBe(false); // tied
});

test('the folder of a model whose numbers were all trained gives what was evaluated last', async () => {
  const folder = createScratchFolder();
  writeLanguageRun(folder, { task: 'chat', adapter: null });
  await train(folder);
  const [base, trained] = [await readModel(tinyLlama), await readModel(join(folder, 'model'))];
  for (const [i, value] of trained.entries()) expect(value).toBeGreaterThan(base[i]!);
  expect(existsSync(join(folder, 'model/adapter'))).toBe(false);
  const losses = readEvents(folder).flatMap((event) => (event.type === 'epoch-evaluated' ? [event.loss] : []));
  const validation = { rows: 3, learned: 0 };
  const path = join(folder, 'rows/validation.jsonl');
  const { rows } = await readChatRows({ tokenizer: readTokenizer(tinyLlama), config: { vocabSize: 768 }, maxLength: 96 }, path);
  for (const row of rows) validation.learned += row!.learned.filter(Boolean).length;
  const loss = -trained.slice(0, validation.rows).reduce((sum, one) => sum + one, 0) / validation.learned;
  expect(loss).toBeCloseTo(Math.min(...losses), 4);
});

test('preferences are learned, from no preference at the start', async () => {
  const folder = createScratchFolder();
  writeLanguageRun(folder, { task: 'preference', adapter: lora });
  await train(folder);
  const events = readEvents(folder);
  const first = events.find((event) => event.type === 'step-finished');
  expect(first!.loss).toBeCloseTo(Math.LN2, 1); // dropout alone moves it
  const last = events.findLast((event) => event.type === 'epoch-evaluated');
  expect(last!.loss).toBeLessThan(Math.LN2);
  expect(last!.rewardAccuracy).toBe(1);
});

test('a training whose adapter names what the model does not have ends with its name, and leaves nothing', async () => {
  const folder = createScratchFolder();
  writeLanguageRun(folder, { task: 'chat', adapter: { ...lora, targets: ['query'] } as typeof lora });
  expect(await runTraining(folder, () => {})).toBe(1);
  expect(readEvents(folder).at(-1)).toMatchObject({ type: 'training-failed', code: 'configuration-invalid' });
  expect(existsSync(join(folder, 'model'))).toBe(false);
});

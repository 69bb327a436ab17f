import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AdapterSettings } from '../../../src/trainer/protocol.ts';
import { runTraining } from '../../../src/trainer/run-training.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../read-tensors.ts';
import { runUntil } from '../run-until.ts';
import { readEvents, toFigures, writeRunFolder, writeSmallModel } from '../small-training.ts';

const lora: AdapterSettings = { type: 'lora', rank: 2, alpha: 4, dropout: 0.2, targets: ['query', 'dense'], rankStabilized: false };

function createRun(adapter: AdapterSettings): { readonly folder: string; readonly model: string } {
  const [folder, model] = [createScratchFolder(), join(createScratchFolder(), 'model')];
  writeSmallModel(model);
  writeRunFolder(folder, model, { training: { steps: 20, adapter } });
  return { folder, model };
}

test('a training of an adapter that was killed ends with the same bytes; its checkpoints hold nothing else', async () => {
  const { folder: whole } = createRun(lora);
  const killed = createScratchFolder();
  cpSync(whole, killed, { recursive: true });
  const expected = (await runUntil(whole, 0))!;
  expect(await runUntil(killed, 12)).toBeNull();
  const stored = [...readTensors(join(killed, 'checkpoints/step-00000007/weights.safetensors')).keys()];
  expect(stored.filter((name) => !/\.lora_[AB]\.weight$/.test(name))).toEqual(['classifier.weight', 'classifier.bias']);
  expect(stored).toHaveLength(2 * 5 + 2);
  const resumed = (await runUntil(killed, 0))!;
  expect(resumed.weights).toEqual(expected.weights);
  expect(toFigures(resumed.written)).toEqual(toFigures(expected.written).slice(-toFigures(resumed.written).length));

  const { folder: other } = createRun({ ...lora, alpha: 8 });
  expect(await runUntil(other, 12)).toBeNull();
  cpSync(join(whole, 'train.json'), join(other, 'train.json'));
  await expect(runUntil(other, 0)).rejects.toThrow('another training settings');
});

test('the trainer leaves merged weights with the adapter beside them; of a head alone there is no adapter', async () => {
  const { folder, model } = createRun(lora);
  expect(await runTraining(folder, () => {})).toBe(0);
  const [stored, merged] = [readTensors(join(model, 'model.safetensors')), readTensors(join(folder, 'model/model.safetensors'))];
  const layer = 'bert.encoder.layer.0.attention.self';
  expect(merged.get(`${layer}.query.weight`)).not.toEqual(stored.get(`${layer}.query.weight`));
  expect(merged.get(`${layer}.value.weight`)).toEqual(stored.get(`${layer}.value.weight`));
  expect([...merged.keys()].filter((name) => name.includes('lora'))).toEqual([]);
  expect(readTensors(join(folder, 'model/adapter/adapter_model.safetensors')).size).toBe(2 * 5 + 2);

  const head = createRun({ type: 'head' });
  expect(await runTraining(head.folder, () => {})).toBe(0);
  const trained = readTensors(join(head.folder, 'model/model.safetensors'));
  for (const [name, tensor] of readTensors(join(head.model, 'model.safetensors'))) expect(trained.get(name)).toEqual(tensor);
  expect(existsSync(join(head.folder, 'model/adapter'))).toBe(false);
});

test('a target that the model does not have ends the training with its name', async () => {
  const { folder } = createRun({ ...lora, targets: ['q_proj'] });
  expect(await runTraining(folder, () => {})).toBe(1);
  const last = readEvents(folder).at(-1)!;
  expect(last).toMatchObject({ type: 'training-failed', code: 'configuration-invalid' });
});

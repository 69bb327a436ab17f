import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../read-tensors.ts';
import { runUntil } from '../run-until.ts';
import { toFigures, writeRunFolder, writeSmallModel } from '../small-training.ts';

const head = ['classifier.weight', 'classifier.bias'];
const way = { isTrainable: (name: string): boolean => head.includes(name) };

test.each(['process', 'device'] as const)(
  'memory of the %s: only what is trained changes and is in checkpoints, and a resumed training ends with the same bytes',
  async (memory) => {
    const model = join(createScratchFolder(), 'model');
    writeSmallModel(model, 'with a head');
    const [whole, killed] = [createScratchFolder(), createScratchFolder()];
    writeRunFolder(whole, model, { file: { backend: 'cpu' }, training: { steps: 20 } });
    cpSync(whole, killed, { recursive: true });

    const expected = (await runUntil(whole, 0, { ...way, memory }))!;
    expect(await runUntil(killed, 12, { ...way, memory })).toBeNull();
    const checkpoint = join(killed, 'checkpoints/step-00000007');
    expect([...readTensors(join(checkpoint, 'weights.safetensors')).keys()]).toEqual(head);
    expect([...readTensors(join(checkpoint, 'moments.safetensors')).keys()]).toEqual(head.flatMap((name) => [`${name}.m`, `${name}.v`]));

    const resumed = (await runUntil(killed, 0, { ...way, memory }))!;
    expect(resumed.weights).toEqual(expected.weights);
    expect(toFigures(resumed.written)).toEqual(toFigures(expected.written).slice(-toFigures(resumed.written).length));
    const stored = readTensors(join(model, 'model.safetensors'));
    const norm = 'bert.embeddings.LayerNorm.weight'; // stored in the layout of the computation
    const [, found] = expected.weights.find(([name]) => name === norm)!;
    expect(new Float32Array(found.buffer, found.byteOffset, found.length / 4)).toEqual(stored.get(norm)!.data);
    const [, trained] = expected.weights.find(([name]) => name === 'classifier.bias')!;
    expect(new Float32Array(trained.buffer, trained.byteOffset, 2)).not.toEqual(stored.get('classifier.bias')!.data);
  },
);

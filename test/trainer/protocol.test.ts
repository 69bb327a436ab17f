import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isFenced, listCheckpoints, parseEvents, readControlRequest, readTrainFile } from '../../src/trainer/protocol.ts';
import { createScratchFolder } from '../scratch.ts';
import { writeRunFolder } from './small-training.ts';
import { settings } from './tiny-classifier.ts';

function writeTrainFile(change: object): string {
  const folder = createScratchFolder();
  writeRunFolder(folder, '/models/small', { file: change });
  return folder;
}

test.each<[object, string]>([
  [{ version: 2 }, 'version: expected 1, found 2'],
  [{ backend: 'gpu' }, 'backend: expected one of wasm, wasm-portable, cpu, tensorflow, tensorflow-gpu, webgpu, found "gpu"'],
  [{ attempt: -1 }, 'attempt: expected a whole number from 0, found -1'],
  [{ nonce: 3 }, 'nonce: expected a text, found 3'],
  [{ model: null }, 'model: expected an object, found null'],
  [{ model: { folder: '/m', labels: ['a', 1], seed: 1, maxLength: 8 } }, 'model.labels.1: expected a name, found 1'],
  [{ rows: { train: 'rows/train.jsonl' } }, 'rows.validation: expected a path or null, found nothing'],
  [{ card: { name: 'x' } }, 'card.base: expected a name, found nothing'],
  [{ training: { ...settings, epochs: 1 } }, 'training.epochs: expected either epochs or steps, the other one null, found 1'],
  [{ training: { ...settings, batchSize: 0.5 } }, 'training.batchSize: expected a positive whole number, found 0.5'],
  [{ training: { ...settings, warmupRatio: 1.5 } }, 'training.warmupRatio: expected at most 1, found 1.5'],
  [{ training: { ...settings, schedule: 'odd' } }, 'training.schedule: expected "linear", "cosine" or "constant", found "odd"'],
  [{ training: { ...settings, weightDecay: null } }, 'training.weightDecay: expected a number from 0, found null'],
])('train.json with %j is refused by name', (change, message) => {
  const folder = writeTrainFile(change);
  expect(() => readTrainFile(folder)).toThrow(
    expect.objectContaining({ code: 'configuration-invalid', message: `${join(folder, 'train.json')}: ${message}` }),
  );
});

test('fields that another version adds to train.json are left out', () => {
  expect(readTrainFile(writeTrainFile({ adapter: 'lora' }))).toEqual(readTrainFile(writeTrainFile({})));
});

const time = '2026-01-01T00:00:00.000Z';
const step = { type: 'step-finished', at: time, step: 1, steps: 2, epoch: 0.5, loss: 1, learningRate: 1, gradNorm: 1, rowsPerSecond: 1 };
const parse = (lines: readonly unknown[]): ReturnType<typeof parseEvents> =>
  parseEvents(Buffer.from(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')));

test('events are read up to a broken line, those of another version are passed over', () => {
  const whole = { ...step, etaSeconds: 3 };
  const { events, end } = parse([whole, { type: 'rank-started', at: time, rank: 3 }, whole, '{"type":"step-fin', whole]);
  expect(events).toEqual([whole, whole]);
  expect(end).toBe(2 * JSON.stringify(whole).length + JSON.stringify({ type: 'rank-started', at: time, rank: 3 }).length + 3);
  expect(parseEvents(Buffer.from(`${JSON.stringify(whole)}\n${JSON.stringify(whole)}`)).events).toHaveLength(1); // no line end yet
});

test('a validation loss that is not a number is one again when it is read', () => {
  const evaluated = { type: 'epoch-evaluated', at: time, step: 2, epoch: 1, rows: 4, loss: NaN, accuracy: 0.5 };
  expect(parse([evaluated]).events).toEqual([evaluated]);
});

test('requests and fences are read where they are, and a request of another version asks for nothing', () => {
  const folder = createScratchFolder();
  expect([readControlRequest(folder), isFenced(folder, 1)]).toEqual([null, false]);
  writeFileSync(join(folder, 'control.json'), '{"command":"pause"}');
  expect(readControlRequest(folder)).toBe('pause');
  writeFileSync(join(folder, 'control.json'), '{"command":"hurry"}');
  expect(readControlRequest(folder)).toBeNull();
  writeFileSync(join(folder, 'fence.json'), '{"attempt":2}');
  expect([1, 2, 3].map((attempt) => isFenced(folder, attempt))).toEqual([true, true, false]);
  writeFileSync(join(folder, 'fence.json'), '{}');
  expect(() => isFenced(folder, 3)).toThrow('attempt: expected a whole number from 0, found nothing');
});

test('only folders named after a step are checkpoints, the newest first', () => {
  const folder = createScratchFolder();
  for (const name of ['step-00000007', '.step-00000021.part', 'step-00000014', 'step-100000000', 'other']) mkdirSync(join(folder, name));
  expect(listCheckpoints(folder)).toEqual([100_000_000, 14, 7]);
  expect(listCheckpoints(join(folder, 'none'))).toEqual([]);
});

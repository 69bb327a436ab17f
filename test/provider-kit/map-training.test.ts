import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Row } from '../../src/dataset/row.ts';
import type { TrainingField } from '../../src/job/job-spec.ts';
import { mapTraining, notePrompt, sent, unsupported, type TrainingMap } from '../../src/provider-kit/map-training.ts';
import { writeTrainingFile } from '../../src/provider-kit/training-file.ts';

interface Parameters {
  readonly rounds?: number;
  readonly rate?: number;
  readonly random?: number;
}

const others = [
  'method',
  'steps',
  'schedule',
  'warmupRatio',
  'weightDecay',
  'maxGradNorm',
  'beta',
  'adapter',
  'loss',
  'earlyStopping',
  'select',
  'batchSize',
  'maxLength',
] as const;
const fill = <T>(value: T): Record<(typeof others)[number], T> => Object.fromEntries(others.map((field) => [field, value])) as never;

const trainingMap: TrainingMap<Parameters, { most: number }> = {
  getDefaults: () => ({ rounds: 3, random: 7 }),
  map: {
    epochs: (rounds, { most }) =>
      rounds <= most ? sent({ rounds }) : { type: 'converted', parameters: { rounds: most }, value: most, why: 'no more' },
    learningRate: (rate) => (typeof rate === 'number' ? sent({ rate }) : unsupported('no multiplier')),
    seed: (random) => sent({ random }),
    ...fill(() => unsupported<Parameters>('never heard of it')),
  },
  defaulted: { epochs: ({ rounds }) => rounds, learningRate: () => 'auto', seed: ({ random }) => random, ...fill(() => null) },
};

test('each field of a training ends as one note, and its value where the service has it', () => {
  expect(mapTraining({}, trainingMap, { most: 5 })).toEqual({
    parameters: { rounds: 3, random: 7 },
    notes: [
      { type: 'defaulted', field: 'training.epochs', value: 3 },
      { type: 'defaulted', field: 'training.learningRate', value: 'auto' },
      { type: 'defaulted', field: 'training.seed', value: 7 },
    ],
  });
  const training = { seed: 0, epochs: 9, learningRate: { multiplier: 2 }, beta: 0.1 };
  expect(mapTraining(training, trainingMap, { most: 5 })).toEqual({
    parameters: { rounds: 5, random: 0 },
    notes: [
      { type: 'converted', field: 'training.epochs', from: 9, value: 5, why: 'no more' },
      { type: 'unsupported', field: 'training.learningRate', value: { multiplier: 2 }, why: 'no multiplier' },
      { type: 'sent', field: 'training.seed', value: 0 },
      { type: 'unsupported', field: 'training.beta', value: 0.1, why: 'never heard of it' },
    ],
  });
  expect(new Set([...others, 'epochs', 'learningRate', 'seed'])).toEqual(new Set(Object.keys(trainingMap.map) as TrainingField[]));
});

test('a prompt is sent with rows that become chats, and has no use for others', () => {
  const spec = { task: 'classification', prompt: { system: 'Sort it.' } } as const;
  const why = { converted: 'it learns chats', unused: 'they are chats' };
  expect(notePrompt(spec, 'chat/1', why)).toEqual([
    { type: 'converted', field: 'task', from: 'classification', value: 'chat/1', why: 'it learns chats' },
    { type: 'sent', field: 'prompt.system', value: 'Sort it.' },
  ]);
  expect(notePrompt(spec, null, why)).toEqual([{ type: 'unsupported', field: 'prompt.system', value: 'Sort it.', why: 'they are chats' }]);
});

test('rows are written line by line, with what identifies the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const count = 5000; // more than one buffer
  async function* readRows(): AsyncGenerator<Row> {
    for (let i = 0; i < count; i++) yield await Promise.resolve({ text: `é ${i}`, label: 'x' });
  }
  try {
    const path = join(folder, 'train.jsonl');
    const file = await writeTrainingFile(path, readRows(), (row) => ({ t: (row as { text: string }).text }));
    const text = Array.from({ length: count }, (_, i) => `{"t":"é ${i}"}\n`).join('');
    expect(readFileSync(path, 'utf8')).toBe(text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    expect(file).toEqual({ path, rows: count, bytes: Buffer.byteLength(text), sha256 });
    await expect(writeTrainingFile(folder, readRows(), (row) => row)).rejects.toMatchObject({ code: 'file-missing' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

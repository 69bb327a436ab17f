import { join } from 'node:path';
import { type BackendName, startBackend } from '../../src/trainer/backends/index.ts';
import { type Classifier, openClassifier } from '../../src/trainer/tasks/classification/classifier.ts';
import { type EncodedRows } from '../../src/trainer/tasks/classification/rows.ts';
import { readRows } from './read-rows.ts';
import type { TrainingSettings } from '../../src/trainer/protocol.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');
export const tinyBert = join(fixtures, 'models/tiny-bert');
export const labels = ['negative', 'positive'];

/** The small pre-trained model with a new head; short texts, so that tests are quick. */
export async function openTinyClassifier(backend: BackendName = 'wasm', folder = tinyBert): Promise<Classifier> {
  return openClassifier(await startBackend(backend), { folder, labels, seed: 1, maxLength: 16 });
}

/** `count` rows of the sentiment data from row `start` on. */
export async function readSentiment(classifier: Classifier, count: number, start = 0): Promise<EncodedRows['rows']> {
  return (await readRows(classifier, join(fixtures, 'sentiment/train.jsonl'))).rows.slice(start, start + count);
}

export const settings: TrainingSettings = {
  epochs: null,
  steps: 5,
  batchSize: 8,
  microBatchSize: 8,
  learningRate: 5e-4,
  schedule: 'linear',
  warmupRatio: 0,
  weightDecay: 0.01,
  maxGradNorm: 1,
  select: 'last',
  seed: 7,
  checkpointSteps: null,
};

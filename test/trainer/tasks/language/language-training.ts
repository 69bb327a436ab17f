/** Short trainings of tiny-llama, with the trainer's own program. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdapterSettings, ChatTrainRow, PreferenceTrainRow, TrainFile } from '../../../../src/trainer/protocol.ts';
import { tinyLlama } from '../../language/small-language.ts';
import { settings } from '../../tiny-classifier.ts';

const toRow = (question: string, answer: string): ChatTrainRow => {
  const prompt = `user: ${question}\nassistant:`;
  return { text: `${prompt} ${answer}</s>`, learned: [[prompt.length, prompt.length + answer.length + 5]] };
};

const questions = ['Hi', 'Is it good?', 'Great phone, works well.', 'Broken after two days', 'How are you', 'The worst I have ever had'];

/** Conversations of lengths that differ. */
export const chatRows: readonly ChatTrainRow[] = questions.map((question, i) =>
  toRow(question, i % 2 === 0 ? 'positive' : 'negative, yes'),
);

/** Pairs of a better and a worse answer. */
export const pairs: readonly PreferenceTrainRow[] = questions.map((question, i) => {
  const [chosen, rejected] = [toRow(question, 'positive'), toRow(question, 'negative, yes')];
  return i === 5 ? { chosen: rejected, rejected: chosen } : { chosen, rejected };
});

export const lora: AdapterSettings = { type: 'lora', rank: 4, alpha: 8, dropout: 0.1, targets: ['all-linear'], rankStabilized: false };

export interface LanguageTraining {
  readonly task: 'chat' | 'preference';
  readonly adapter: AdapterSettings | null;
}

/** Makes a run folder as the local provider leaves it to the trainer: 6 steps of 4 rows. */
export function writeLanguageRun(folder: string, { task, adapter }: LanguageTraining): void {
  mkdirSync(join(folder, 'rows'), { recursive: true });
  const rows = task === 'chat' ? chatRows : pairs;
  const toLines = (some: readonly unknown[]): string => some.map((row) => `${JSON.stringify(row)}\n`).join('');
  writeFileSync(join(folder, 'rows/train.jsonl'), toLines(rows));
  writeFileSync(join(folder, 'rows/validation.jsonl'), toLines(rows.slice(0, 3)));
  const own = adapter === null ? {} : { adapter };
  const training = { ...settings, steps: 6, batchSize: 4, microBatchSize: 2, learningRate: 1e-3, select: 'best' as const, ...own };
  const train: TrainFile = {
    version: 1,
    nonce: 'nonce-1',
    attempt: 1,
    backend: 'wasm',
    task,
    model: { folder: tinyLlama, labels: [], seed: 1, maxLength: 96 },
    rows: { train: 'rows/train.jsonl', validation: 'rows/validation.jsonl' },
    training,
    card: { name: 'test', base: 'tiny-llama' },
  };
  writeFileSync(join(folder, 'train.json'), JSON.stringify(train));
}

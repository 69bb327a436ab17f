import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toNormals, toStreamKey } from '../../src/lib/random.ts';
import { bert } from '../../src/trainer/families/bert.ts';
import { listParameters } from '../../src/trainer/tasks/classification/head.ts';
import { writeSafetensors } from '../../src/trainer/safetensors.ts';
import type { TrainerEvent, TrainFile, TrainingSettings } from '../../src/trainer/protocol.ts';
import { labels, settings, tinyBert } from './tiny-classifier.ts';

const words = ['bad', 'dull', 'slow', 'sad', 'good', 'fine', 'fast', 'glad'];
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...words];

/** A BERT of a few hundred numbers with dropout, so that a step takes about a millisecond on any backend. */
const config = {
  model_type: 'bert',
  vocab_size: vocabulary.length,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 8,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 8,
};

/** Writes it, with weights drawn from a fixed seed and, where it is asked for, a head for two classes. */
export function writeSmallModel(folder: string, head?: 'with a head'): void {
  mkdirSync(folder, { recursive: true });
  cpSync(join(tinyBert, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'));
  const tokenizer = JSON.parse(readFileSync(join(tinyBert, 'tokenizer.json'), 'utf8')) as { model: object };
  const model = { ...tokenizer.model, vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])) };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...tokenizer, model }));
  const kind = head
    ? { architectures: ['BertForSequenceClassification'], id2label: { 0: 'no', 1: 'yes' } }
    : { architectures: ['BertModel'] };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...kind, ...config }));
  const sizes = bert.parseConfig(config, 'config.json');
  const specs = head ? listParameters(sizes, 2) : bert.listParameters(sizes);
  const tensors = specs.map(({ name, shape }) => {
    const size = shape.reduce((product, count) => product * count, 1);
    return { name, shape, data: toNormals(toStreamKey(1, name), size, 0.3) };
  });
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

/** Rows that the small model can tell apart, of lengths from 1 to 5 words; `from` makes others. */
export function toSmallRows(count: number, from = 0): string {
  const toRow = (_: unknown, i: number): string => {
    const label = labels[(from + i) % 2]!;
    const of = words.slice(label === 'positive' ? 4 : 0, label === 'positive' ? 8 : 4);
    const text = Array.from({ length: 1 + ((from + i) % 5) }, (_word, j) => of[(from + i * 3 + j) % 4]).join(' ');
    return JSON.stringify({ text, label });
  };
  return Array.from({ length: count }, toRow).join('\n');
}

interface Wanted {
  readonly training?: Partial<TrainingSettings>;
  readonly file?: Partial<TrainFile>;
  readonly rows?: string;
}

/** 60 steps over 22 rows: 4 steps an epoch, the last one smaller, each in two parts; the best weights are kept. */
const sixtySteps: Partial<TrainingSettings> = {
  steps: 60,
  batchSize: 6,
  microBatchSize: 4,
  learningRate: 0.02,
  warmupRatio: 0.1,
  select: 'best',
  checkpointSteps: 7,
};

/** Makes a run folder as the local provider leaves it to the trainer. */
export function writeRunFolder(folder: string, model: string, { training = {}, file = {}, rows = toSmallRows(22) }: Wanted = {}): void {
  mkdirSync(join(folder, 'rows'), { recursive: true });
  writeFileSync(join(folder, 'rows/train.jsonl'), rows);
  const wrong = JSON.stringify({ text: 'glad good', label: 'negative' }); // so that the last weights are not the best ones
  writeFileSync(join(folder, 'rows/validation.jsonl'), `${toSmallRows(7, 100)}\n${wrong}`);
  const train: TrainFile = {
    version: 1,
    nonce: 'nonce-1',
    attempt: 1,
    backend: 'wasm',
    model: { folder: model, labels, seed: 1, maxLength: 8 },
    rows: { train: 'rows/train.jsonl', validation: 'rows/validation.jsonl' },
    training: { ...settings, ...sixtySteps, ...training },
    card: { name: 'test', base: 'small' },
    ...file,
  };
  writeFileSync(join(folder, 'train.json'), JSON.stringify(train));
}

export function readEvents(folder: string): TrainerEvent[] {
  const lines = readFileSync(join(folder, 'events.jsonl'), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as TrainerEvent);
}

/** All figures of the events that do not depend on time. */
export function toFigures(events: readonly TrainerEvent[]): unknown[] {
  return events.flatMap((event) => {
    if (event.type === 'step-finished') {
      const { step, epoch, loss, learningRate, gradNorm } = event;
      return [[step, epoch, loss, learningRate, gradNorm]];
    }
    if (event.type === 'epoch-evaluated') return [['evaluated', event.step, event.epoch, event.loss, event.accuracy]];
    return [];
  });
}

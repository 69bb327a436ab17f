import type { Note } from '../../src/provider/note.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import type { Hyperparameters, Method } from './request.ts';

type Training = RunSpec['training'];

/** What the service is told of the training, and what is said about every field. */
export interface MappedTraining {
  readonly method: Method;
  readonly seed: number | null;
  readonly notes: readonly Note[];
}

const auto = 'auto (the service chooses)';

/** Why the service cannot follow these fields, whatever their value. */
const impossible = {
  steps: 'the service counts epochs, not steps',
  schedule: 'the service has its own course of the learning rate',
  warmupRatio: 'the service has its own warm-up',
  weightDecay: 'the service has no such setting',
  maxGradNorm: 'the service has no such setting',
  adapter: 'the service decides which parameters it trains',
  maxLength: 'the service has no such setting: it cuts examples of more than 65,536 tokens at their end',
} as const satisfies Partial<Record<keyof Training, string>>;

/** The bounds of the service's published description; the service itself decides. */
const bounds: Readonly<Record<keyof Hyperparameters, { readonly most: number; readonly text: string }>> = {
  n_epochs: { most: 50, text: 'n_epochs from 1 to 50' },
  batch_size: { most: 256, text: 'batch_size from 1 to 256' },
  learning_rate_multiplier: { most: Infinity, text: 'a learning_rate_multiplier above 0' },
  beta: { most: 2, text: 'a beta above 0, at most 2' },
};

export function mapTraining(training: Training, type: Method['type']): MappedTraining {
  const notes: Note[] = [];
  const sent = (field: keyof Training, value: unknown): void => void notes.push({ type: 'sent', field: `training.${field}`, value });
  const defaulted = (field: keyof Training, value: unknown = auto): void =>
    void notes.push({ type: 'defaulted', field: `training.${field}`, value });
  const unsupported = (field: keyof Training, why: string): void =>
    void notes.push({ type: 'unsupported', field: `training.${field}`, value: training[field], why });

  const { method, epochs, batchSize, learningRate, beta, loss, select, seed } = training;
  const hyperparameters: { -readonly [F in keyof Hyperparameters]: Hyperparameters[F] } = {};
  const word = type === 'dpo' ? 'dpo' : 'sft';
  if (method === undefined) defaulted('method', word);
  else sent('method', method);

  if (epochs === undefined) defaulted('epochs');
  else if (Number.isInteger(epochs)) {
    hyperparameters.n_epochs = epochs;
    sent('epochs', epochs);
  } else unsupported('epochs', 'the service takes whole epochs only');

  if (batchSize === undefined) defaulted('batchSize');
  else {
    hyperparameters.batch_size = batchSize;
    sent('batchSize', batchSize);
  }

  if (learningRate === undefined) defaulted('learningRate');
  else if (typeof learningRate === 'number') {
    unsupported(
      'learningRate',
      'the service takes {"multiplier": m} of a rate that it chooses and does not tell: the two cannot be converted',
    );
  } else {
    hyperparameters.learning_rate_multiplier = learningRate.multiplier;
    sent('learningRate', learningRate);
  }

  if (type !== 'dpo') {
    if (beta !== undefined) unsupported('beta', '"beta" belongs to the method "dpo"');
  } else if (beta === undefined) defaulted('beta');
  else {
    hyperparameters.beta = beta;
    sent('beta', beta);
  }

  if (loss === undefined) defaulted('loss', 'answer');
  else if (loss === 'answer') sent('loss', loss);
  else unsupported('loss', "only the assistant's messages count");
  if (select === undefined) defaulted('select', 'last');
  else if (select === 'last') sent('select', select);
  else unsupported('select', 'the service names the last weights as its result; those of the last epochs are kept beside it');
  if (seed === undefined) defaulted('seed');
  else sent('seed', seed);
  for (const [field, why] of Object.entries(impossible) as [keyof typeof impossible, string][]) {
    if (training[field] !== undefined) unsupported(field, why);
  }
  notes.push(...toBoundWarnings(hyperparameters));
  return { method: toMethod(type, hyperparameters), seed: seed ?? null, notes };
}

function toMethod(type: Method['type'], hyperparameters: Hyperparameters): Method {
  return type === 'dpo' ? { type, dpo: { hyperparameters } } : { type, supervised: { hyperparameters } };
}

function toBoundWarnings(hyperparameters: Hyperparameters): Note[] {
  return (Object.entries(hyperparameters) as [keyof Hyperparameters, number][])
    .filter(([field, value]) => value > bounds[field].most)
    .map(([field, value]) => ({ type: 'warning', message: `the service expects ${bounds[field].text}, and is sent ${value}` }));
}

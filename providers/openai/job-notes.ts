import type { Note } from '../../src/provider/note.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Our names of what the service says it used. */
const names = [
  ['n_epochs', 'training.epochs'],
  ['batch_size', 'training.batchSize'],
  ['learning_rate_multiplier', 'training.learningRate'],
  ['beta', 'training.beta'],
] as const;

/**
 * What the service says it used, each setting once it is a number: until the training begins it may say "auto", and Azure may say
 * nothing. The seed first, which is known from the start.
 */
export function toUsedNotes(job: Fields): Extract<Note, { type: 'defaulted' }>[] {
  const used = toHyperparameters(job);
  const settings = [['training.seed', job['seed']] as const, ...names.map(([theirs, ours]) => [ours, used[theirs]] as const)];
  return settings.flatMap(([field, value]) => {
    if (typeof value !== 'number') return [];
    return [{ type: 'defaulted', field, value: field === 'training.learningRate' ? { multiplier: value } : value }];
  });
}

/** The settings that are numbers: inside `method`, where all kinds of jobs have them, else outside, where only supervised ones do. */
export function toHyperparameters({ method, hyperparameters }: Fields): Readonly<Record<string, number>> {
  const { type } = toFields(method);
  const inside = typeof type === 'string' ? toFields(toFields(toFields(method)[type])['hyperparameters']) : {};
  const isReported = (entry: [string, unknown]): entry is [string, number] => typeof entry[1] === 'number';
  return Object.fromEntries([toFields(hyperparameters), inside].flatMap((fields) => Object.entries(fields).filter(isReported)));
}

/** How a job trains; what says nothing of it trains on answers. */
export function toMethodType({ method }: Fields): unknown {
  return toFields(method)['type'] ?? 'supervised';
}

function toFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

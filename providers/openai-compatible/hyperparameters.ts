/** How OpenAI is told of a training, and what it says it has used. */
import type { Training } from '../../src/job/job-spec.ts';
import type { Note } from '../../src/provider/note.ts';
import { isObject } from '../../src/lib/json.ts';
import { mapTraining, sent, unsupported, type TrainingMap } from '../../src/provider-kit/map-training.ts';
import type { MappedTraining, MethodType } from './config.ts';

/** A field that is absent is the service's own choice ("auto"). */
interface Hyperparameters {
  readonly n_epochs?: number;
  readonly batch_size?: number;
  /** Multiplies the rate that the service would take; never an absolute rate. */
  readonly learning_rate_multiplier?: number;
  /** Of `dpo` only. */
  readonly beta?: number;
}

type Parameters = Hyperparameters & { readonly seed?: number };

interface Settings {
  readonly method: MethodType;
}

const auto = 'auto (the service chooses)';
const noSuchSetting = (): ReturnType<typeof unsupported<Parameters>> => unsupported('the service has no such setting');

const trainingMap: TrainingMap<Parameters, Settings> = {
  map: {
    method: () => sent(),
    epochs: (epochs) => (Number.isInteger(epochs) ? sent({ n_epochs: epochs }) : unsupported('the service takes whole epochs only')),
    batchSize: (size) => sent({ batch_size: size }),
    learningRate: (rate) =>
      typeof rate === 'number'
        ? unsupported('the service takes {"multiplier": m} of a rate that it chooses and does not tell: the two cannot be converted')
        : sent({ learning_rate_multiplier: rate.multiplier }),
    beta: (beta, { method }) => (method === 'dpo' ? sent({ beta }) : unsupported('"beta" belongs to the method "dpo"')),
    loss: (loss) => (loss === 'answer' ? sent() : unsupported("only the assistant's messages count")),
    earlyStopping: () => unsupported('the service trains to the last epoch'),
    select: (select) =>
      select === 'last'
        ? sent()
        : unsupported('the service names the last weights as its result; those of the last epochs are kept beside it'),
    seed: (seed) => sent({ seed }),
    steps: () => unsupported('the service counts epochs, not steps'),
    schedule: () => unsupported('the service has its own course of the learning rate'),
    warmupRatio: () => unsupported('the service has its own warm-up'),
    weightDecay: noSuchSetting,
    maxGradNorm: noSuchSetting,
    adapter: () => unsupported('the service decides which parameters it trains'),
    maxLength: () => unsupported('the service has no such setting: it cuts examples of more than 65,536 tokens at their end'),
  },
  defaulted: {
    method: (_, { method }) => (method === 'dpo' ? 'dpo' : 'sft'),
    epochs: () => auto,
    batchSize: () => auto,
    learningRate: () => auto,
    beta: (_, { method }) => (method === 'dpo' ? auto : null),
    loss: () => 'answer',
    select: () => 'last',
    seed: () => auto,
  },
};

/** The bounds of the service's published description; the service itself decides. */
const bounds: Readonly<Record<keyof Hyperparameters, { readonly most: number; readonly text: string }>> = {
  n_epochs: { most: 50, text: 'n_epochs from 1 to 50' },
  batch_size: { most: 256, text: 'batch_size from 1 to 256' },
  learning_rate_multiplier: { most: Infinity, text: 'a learning_rate_multiplier above 0' },
  beta: { most: 2, text: 'a beta above 0, at most 2' },
};

/** The fields of OpenAI's create body: `method` with its hyperparameters, and `seed`. */
export function mapHyperparameters(training: Training, method: MethodType): MappedTraining {
  const { parameters, notes } = mapTraining(training, trainingMap, { method });
  const { seed, ...hyperparameters } = parameters;
  const warnings = (Object.entries(hyperparameters) as [keyof Hyperparameters, number][])
    .filter(([field, value]) => value > bounds[field].most)
    .map(([field, value]): Note => ({ type: 'warning', message: `the service expects ${bounds[field].text}, and is sent ${value}` }));
  const body = { method: { type: method, [method]: { hyperparameters } }, ...(seed === undefined ? {} : { seed }) };
  return { body, notes: [...notes, ...warnings] };
}

type Fields = Readonly<Record<string, unknown>>;

/** The hyperparameters of a job, or of a create body, that are numbers: inside `method`, where all kinds of jobs have them, else outside. */
export function getHyperparameters({ method, hyperparameters }: Fields): Readonly<Record<string, number>> {
  const { type } = toFields(method);
  const inside = typeof type === 'string' ? toFields(toFields(toFields(method)[type])['hyperparameters']) : {};
  const isNumber = (entry: [string, unknown]): entry is [string, number] => typeof entry[1] === 'number';
  return Object.fromEntries([toFields(hyperparameters), inside].flatMap((fields) => Object.entries(fields).filter(isNumber)));
}

/** How a job trains. A job that does not say it trains on answers. */
export function getMethodType({ method }: Fields): unknown {
  return toFields(method)['type'] ?? 'supervised';
}

/** Our names for the settings that the service says it has used. */
const names = [
  ['n_epochs', 'training.epochs'],
  ['batch_size', 'training.batchSize'],
  ['learning_rate_multiplier', 'training.learningRate'],
  ['beta', 'training.beta'],
] as const;

/**
 * Notes on what the service says it has used, each setting once it is a number: until the training begins it may say "auto", and Azure
 * may say nothing. The seed comes first, which is known from the start.
 */
export function noteUsedSettings(job: Fields): Extract<Note, { type: 'defaulted' }>[] {
  const used = getHyperparameters(job);
  const settings = [['training.seed', job['seed']] as const, ...names.map(([theirs, ours]) => [ours, used[theirs]] as const)];
  return settings.flatMap(([field, value]) => {
    if (typeof value !== 'number') return [];
    return [{ type: 'defaulted', field, value: field === 'training.learningRate' ? { multiplier: value } : value }];
  });
}

function toFields(value: unknown): Fields {
  return isObject(value) ? value : {};
}

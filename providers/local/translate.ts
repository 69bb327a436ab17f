import { z } from 'zod';
import { Failure, toFailureData } from '../../src/errors.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Translation, TranslationInput } from '../../src/provider/provider.ts';
import { mapTraining, sent, unsupported, type Mapped, type TrainingMap } from '../../src/provider-kit/map-training.ts';
import { parseOptions } from '../../src/provider-kit/settings.ts';
import { backendNames, defaultBackend, getBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import { checkTargets } from '../../src/trainer/adapters/index.ts';
import type { AdapterSettings, TrainingSettings } from '../../src/trainer/protocol.ts';
import { countParameters, countTrainedParameters, isLanguageModel, type ModelConfig } from '../../src/trainer/model-folder.ts';
import { describeHead, type HubPlace } from './base-model.ts';
import { controlOptions, mapControls } from './training-controls.ts';
import { chooseMicroBatch } from './estimate.ts';
import { chooseLanguageMicroBatch } from './language-needs.ts';
import { explainLearningRate, getLearningRate } from './learning-rate.ts';

/** What a target of this provider may set under `options`. */
const LocalOptions = z.strictObject({
  /** Where the numbers are computed; `auto`, also when absent: where that is fastest. */
  backend: z.enum(['auto', ...backendNames]).optional(),
  /** Rows per forward pass; smaller ones need less memory and give the same gradient. */
  microBatchSize: z.int().positive().optional(),
  /** Threads that share each batch; absent: as many as pay on this machine. The count changes the last digits of a result. */
  threads: z.int().positive().optional(),
  /** Optimizer steps between checkpoints; absent: at the ends of epochs, and every half a minute. */
  checkpointSteps: z.int().positive().optional(),
  ...controlOptions,
});

/** A training of this machine, complete. */
export interface LocalRequest {
  /** `auto` is decided when the training is prepared; runs that are older than it name a backend. */
  readonly backend: BackendName | 'auto';
  /** Threads that share each batch, as the target says; absent: decided when the training is prepared. */
  readonly threads?: number;
  readonly model: {
    readonly folder: string;
    /** Of a folder the hash of its content, of a model of the Hub the commit. */
    readonly revision: string;
    readonly labels: readonly string[];
    /** A text may have several of them, or none; absent: exactly one. */
    readonly isMultiLabel?: true;
    readonly maxLength: number;
    /** Where it has to be downloaded from; absent: it is a folder of the user. */
    readonly hub?: HubPlace;
    /** Whether the training begins with the model's own head, which is for the same labels; absent: with a new one. */
    readonly keepsHead?: true;
    /** Its sizes; absent in runs that are older than this field. */
    readonly config?: Readonly<Record<string, unknown>>;
  };
  /** What a language model learns; absent: the model is a classifier, or gives a number. */
  readonly task?: 'chat' | 'preference';
  /** Which part of a conversation is learned; absent: its answers. */
  readonly loss?: 'all';
  readonly training: TrainingSettings;
  readonly name: string;
}

/** What the job's training decides of the trainer's settings. */
type Parameters = Omit<TrainingSettings, 'microBatchSize' | 'checkpointSteps'> & { readonly maxLength: number };
interface Limits {
  /** Tokens that the model can read. */
  readonly maxLength: number;
  /** Numbers that the model is made of; absent where nobody has counted them. */
  readonly parameters?: number | undefined;
  readonly task: RunSpec['task'];
  /** What the job trains. */
  readonly adapter: AdapterType;
  /** The model's sizes; absent where nobody has read them. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
}

type AdapterType = 'full' | AdapterSettings['type'];

/** Used where the job says nothing: the defaults of transformers' TrainingArguments, with a batch of 16, but for the learning rate. */
const defaults = {
  epochs: 3,
  steps: null,
  batchSize: 16,
  schedule: 'linear',
  warmupRatio: 0,
  weightDecay: 0,
  maxGradNorm: 1,
  select: 'last',
  seed: 42,
} as const;

/** Of low-rank adapters; the same that jobs on the Hub have. */
const loraDefaults = { alpha: 32, dropout: 0.05 } as const;

const trainingMap: TrainingMap<Parameters, Limits> = {
  getDefaults: (limits) => ({ ...defaults, learningRate: getLearningRate(limits), maxLength: limits.maxLength }),
  map: {
    method: (method, { task }) => {
      const own = task === 'preference' ? 'dpo' : 'sft';
      return method === own ? sent() : unsupported(`the local trainer learns this task by "${own}"`);
    },
    epochs: (epochs) => sent({ epochs, steps: null }),
    steps: (steps) => sent({ steps, epochs: null }),
    batchSize: (batchSize) => sent({ batchSize }),
    learningRate: (learningRate, limits) =>
      typeof learningRate === 'number'
        ? sent({ learningRate })
        : unsupported(`a multiplier needs a rate to multiply: ${getLearningRate(limits)} is used; give an absolute rate`),
    schedule: (schedule) => sent({ schedule }),
    warmupRatio: (warmupRatio) => sent({ warmupRatio }),
    weightDecay: (weightDecay) => sent({ weightDecay }),
    maxGradNorm: (maxGradNorm) => sent({ maxGradNorm }),
    beta: (beta, { task }) => (task === 'preference' ? sent({ beta }) : unsupported('"beta" belongs to the method "dpo"')),
    adapter: mapAdapter,
    // Which tokens are learned is decided where the rows are written.
    loss: (_, { task }) =>
      task === 'chat' ? sent() : unsupported(task === 'preference' ? 'pairs have one loss' : 'a classifier has one loss'),
    // Before "select", which decides of the kept weights where the job says it.
    earlyStopping: ({ patience, minDelta = 0, by = 'loss' }) => sent({ earlyStopping: { patience, minDelta, by }, select: 'best' }),
    select: (select) => sent({ select }),
    maxLength: (value, { maxLength }) =>
      value <= maxLength
        ? sent({ maxLength: value })
        : { type: 'converted', parameters: { maxLength }, value: maxLength, why: `the model reads ${maxLength} tokens at most` },
    seed: (seed) => sent({ seed }),
  },
  defaulted: {
    method: (_, { task }) => (task === 'preference' ? 'dpo' : null),
    epochs: ({ epochs }) => epochs,
    steps: () => null,
    batchSize: ({ batchSize }) => batchSize,
    learningRate: ({ learningRate }) => learningRate,
    schedule: ({ schedule }) => schedule,
    warmupRatio: ({ warmupRatio }) => warmupRatio,
    weightDecay: ({ weightDecay }) => weightDecay,
    maxGradNorm: ({ maxGradNorm }) => maxGradNorm,
    beta: ({ beta }) => beta ?? null,
    adapter: () => null,
    loss: () => null,
    earlyStopping: () => null,
    select: ({ select }) => select,
    maxLength: ({ maxLength }) => maxLength,
    seed: ({ seed }) => seed,
  },
};

/** The settings of the trainer for the job's words, where the model has the linear maps that they name. */
function mapAdapter(adapter: NonNullable<RunSpec['training']['adapter']>, { config }: Pick<Limits, 'config'>): Mapped<Parameters> {
  if (adapter.type === 'full') return sent();
  if (adapter.type === 'head' && isLanguage(config)) return unsupported('a language model has no head to train alone');
  if (adapter.type === 'head') return sent({ adapter: { type: 'head' } });
  const { rank, alpha = loraDefaults.alpha, dropout = loraDefaults.dropout, targets = null, rankStabilized = false } = adapter;
  const settings: AdapterSettings = { type: 'lora', rank, alpha, dropout, targets, rankStabilized };
  try {
    if (config) checkTargets(config, settings);
  } catch (error) {
    return unsupported(toFailureData(error).message);
  }
  return sent({ adapter: settings });
}

/** `4,354 of 951,042 parameters are trained`; nothing where all are, or where nobody has read the model's sizes. */
function explainTrained({ config }: Limits, { adapter }: Parameters, classes: number): string | undefined {
  if (adapter === undefined || typeof config?.['family'] !== 'string') return undefined;
  const sizes = config as unknown as ModelConfig;
  const [trained, head] = [countTrainedParameters(sizes, classes, adapter), countTrainedParameters(sizes, classes, { type: 'head' })];
  return `${formatCount(trained)} of ${formatCount(countParameters(sizes, classes) + trained - head)} parameters are trained`;
}

function isLanguage(config: Readonly<Record<string, unknown>> | undefined): boolean {
  return typeof config?.['family'] === 'string' && isLanguageModel({ family: config['family'] });
}

const formatCount = (count: number): string => count.toLocaleString('en-US');

export function translate({ spec, facts, model }: TranslationInput): Translation<LocalRequest> {
  const base = checkTarget(spec, model);
  const options = parseOptions(LocalOptions, spec.target, spec.options);
  const { adapter } = spec.training;
  const { parameters, config } = model;
  const isFollowed = adapter !== undefined && mapAdapter(adapter, { config }).type === 'sent';
  const { task } = spec;
  const limits: Limits = { maxLength: model.maxLength ?? 512, parameters, config, task, adapter: isFollowed ? adapter.type : 'full' };
  const mapped = mapTraining(spec.training, trainingMap, limits);
  const why = explainLearningRate(limits);
  const reasons: Readonly<Record<string, string | undefined>> = {
    'training.learningRate': why,
    'training.select': spec.training.earlyStopping === undefined ? undefined : 'with early stopping',
  };
  const trained = explainTrained(limits, mapped.parameters, facts.labels.length);
  const explained = mapped.notes.map((note) => {
    if (note.type === 'sent' && note.field === 'training.adapter' && trained !== undefined) return { ...note, why: trained };
    const reason = note.type === 'defaulted' ? reasons[note.field] : undefined;
    return reason === undefined ? note : { ...note, why: reason };
  });
  const { maxLength, ...training } = mapped.parameters;
  const prompt: Note[] =
    spec.prompt === null || isLanguageTask(task)
      ? []
      : [{ type: 'unsupported', field: 'prompt', value: spec.prompt, why: 'a classifier reads the text as it is' }];
  checkThreads(options, `targets.${spec.target}.options`);
  const several = spec.task === 'multi-label' ? { isMultiLabel: true as const } : {};
  const controls = mapControls(options, { ...facts, task: spec.task }, `targets.${spec.target}.options`);
  const chosen = Object.entries(options).map(([option, value]): Note => {
    const field = `options.${option}`;
    return controls.converted.find((note) => note.field === field) ?? { type: 'sent', field, value };
  });
  const { keepsHead, notes: head } = describeHead(model, { labels: facts.labels, ...several });
  const whole: LocalRequest = {
    backend: options.backend ?? 'auto',
    ...(options.threads !== undefined && { threads: options.threads }),
    model: { ...base, labels: facts.labels, ...several, maxLength, ...(keepsHead ? { keepsHead } : {}) },
    training: {
      ...training,
      ...controls.settings,
      microBatchSize: Math.min(options.microBatchSize ?? training.batchSize, training.batchSize),
      checkpointSteps: options.checkpointSteps ?? null,
    },
    ...(isLanguageTask(task) && { task }),
    ...(task === 'chat' && spec.training.loss === 'all' && { loss: 'all' as const }),
    name: `${spec.job}/${spec.target}`,
  };
  const { request, notes } = options.microBatchSize === undefined ? divideBatch(whole, facts) : { request: whole, notes: [] };
  return { request, notes: [...explained, ...prompt, ...chosen, ...head, ...notes] };
}

/** @throws Failure `job-file-invalid` for a backend that computes with all cores by itself */
function checkThreads({ backend, threads = 1 }: z.infer<typeof LocalOptions>, path: string): void {
  if (threads === 1 || backend === undefined || backend === 'auto' || getBackend(backend).threads === 1) return;
  throw new Failure('job-file-invalid', `${path}.threads: the backend "${backend}" has threads of its own, and takes no others`, {
    hint: `leave "threads" out, or set "backend" to "${defaultBackend}"`,
  });
}

/** A batch that does not fit into the memory is computed in parts. */
function divideBatch(whole: LocalRequest, { train, validation }: TranslationInput['facts']): Translation<LocalRequest> {
  const longest = Math.max(train.longestCharacters, validation?.longestCharacters ?? 0);
  const { batchSize } = whole.training;
  const microBatchSize = whole.task === undefined ? chooseMicroBatch(whole, longest) : chooseLanguageMicroBatch(whole, longest);
  if (microBatchSize === batchSize) return { request: whole, notes: [] };
  const why = `because ${batchSize} rows of the longest texts need more memory than there is: their gradients are added up, and each part has dropout of its own`;
  const note: Note = { type: 'defaulted', field: 'options.microBatchSize', value: microBatchSize, why };
  return { request: { ...whole, training: { ...whole.training, microBatchSize } }, notes: [note] };
}

/** What the trainer can do with a model of each kind. */
const trained: readonly RunSpec['task'][] = ['classification', 'multi-label', 'regression'];
const trainedOfLanguage = ['chat', 'preference'] as const;

function isLanguageTask(task: RunSpec['task']): task is (typeof trainedOfLanguage)[number] {
  return trainedOfLanguage.some((one) => one === task);
}

/** The model, where the trainer can do the task with it. @throws Failure `job-file-invalid` */
function checkTarget(
  spec: RunSpec,
  model: TranslationInput['model'],
): Pick<LocalRequest['model'], 'folder' | 'revision' | 'hub' | 'config'> {
  const target = `targets.${spec.target}`;
  const [own, other] = isLanguage(model.config) ? [trainedOfLanguage, trained] : [trained, trainedOfLanguage];
  const isKnown = model.config !== undefined;
  if (![...own, ...(isKnown ? [] : other)].some((task) => task === spec.task)) {
    const tasks = new Intl.ListFormat('en', { type: 'disjunction' }).format(
      (isKnown ? own : [...own, ...other]).map((task) => `"${task}"`),
    );
    const family = isKnown ? ` for a model of the kind "${String(model.config['family'])}"` : '';
    throw new Failure('job-file-invalid', `${target}: the local trainer expects the task ${tasks}${family}, found "${spec.task}"`);
  }
  if (spec.model.kind === 'service') {
    throw new Failure(
      'job-file-invalid',
      `${target}.model: the local trainer expects a folder such as "./models/tiny-bert", or a model of the Hub such as "hub:owner/name", found "${model.base}"`,
      { hint: '`orchestrate models local` shows which sizes train here in minutes' },
    );
  }
  const [native] = Object.keys(spec.native);
  if (native !== undefined) {
    throw new Failure('job-file-invalid', `${target}.native.${native}: the local trainer has no fields of its own to pass through`, {
      hint: 'its settings are the fields of "training" and "options"',
    });
  }
  const config = model.config === undefined ? {} : { config: model.config };
  const { kind } = spec.model;
  const folder = model.folder ?? (kind === 'folder' ? spec.model.path : '');
  // A model that could not be looked at has no revision: its plan is for reading only.
  const revision = model.revision ?? '';
  if (kind === 'folder') return { folder, revision, ...config };
  return { folder, revision, hub: { endpoint: model.endpoint ?? '', repository: spec.model.name, commit: revision }, ...config };
}

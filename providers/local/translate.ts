import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Translation, TranslationInput } from '../../src/provider/provider.ts';
import type { Training } from '../../src/job/job-spec.ts';
import type { BackendName } from '../../src/trainer/backends.ts';
import type { TrainingSettings } from '../../src/trainer/protocol.ts';

/** What a target of this provider may set under `options`. */
const LocalOptions = z.strictObject({
  /** Where the numbers are computed: WebAssembly with SIMD, or plain JavaScript. */
  backend: z.enum(['wasm', 'cpu']).optional(),
  /** Rows per forward pass; smaller ones need less memory and give the same gradient. */
  microBatchSize: z.int().positive().optional(),
  /** Optimizer steps between checkpoints; absent: at the ends of epochs, and every half a minute. */
  checkpointSteps: z.int().positive().optional(),
});

/** A training of this machine, complete. */
export interface LocalRequest {
  readonly backend: BackendName;
  readonly model: { readonly folder: string; readonly revision: string; readonly labels: readonly string[]; readonly maxLength: number };
  readonly training: TrainingSettings;
  readonly name: string;
}

/** What is used where the job says nothing: the defaults of transformers' TrainingArguments, with a batch of 16. */
const defaults = {
  epochs: 3,
  batchSize: 16,
  learningRate: 5e-5,
  schedule: 'linear',
  warmupRatio: 0,
  weightDecay: 0,
  maxGradNorm: 1,
  select: 'last',
  seed: 42,
} as const;

export function translate({ spec, facts, model }: TranslationInput): Translation<LocalRequest> {
  if (spec.task !== 'classification') {
    throw new Failure(
      'job-file-invalid',
      `targets.${spec.target}: the local trainer expects the task "classification", found "${spec.task}"`,
    );
  }
  if (spec.model.kind !== 'folder' || model.revision === null) {
    throw new Failure(
      'job-file-invalid',
      `targets.${spec.target}.model: the local trainer expects a folder such as "./models/tiny-bert", found "${model.base}"`,
    );
  }
  const [native] = Object.keys(spec.native);
  if (native !== undefined) {
    throw new Failure(
      'job-file-invalid',
      `targets.${spec.target}.native.${native}: the local trainer has no fields of its own to pass through`,
      {
        hint: 'its settings are the fields of "training" and "options"',
      },
    );
  }
  const options = parseOptions(spec.target, spec.options);
  const notes: Note[] = [];
  const take = createSettingMapper(spec.training, notes);
  const maxLength = mapMaxLength(spec.training, model.maxLength, notes);
  const batchSize = take('batchSize');
  const training: TrainingSettings = {
    epochs: spec.training.steps === undefined ? take('epochs') : null,
    steps: spec.training.steps ?? null,
    batchSize,
    microBatchSize: Math.min(options.microBatchSize ?? batchSize, batchSize),
    learningRate: mapLearningRate(spec.training, notes),
    schedule: take('schedule'),
    warmupRatio: take('warmupRatio'),
    weightDecay: take('weightDecay'),
    maxGradNorm: take('maxGradNorm'),
    select: take('select'),
    seed: take('seed'),
    checkpointSteps: options.checkpointSteps ?? null,
  };
  if (training.steps !== null) notes.push({ type: 'sent', field: 'training.steps', value: training.steps });
  addUnsupported(spec.training, spec.prompt, notes);
  for (const [field, value] of Object.entries(options)) notes.push({ type: 'sent', field: `options.${field}`, value });
  const { path: folder } = spec.model;
  const request: LocalRequest = {
    backend: options.backend ?? 'wasm',
    model: { folder, revision: model.revision, labels: facts.labels, maxLength },
    training,
    name: `${spec.job}/${spec.target}`,
  };
  return { request, notes };
}

function parseOptions(target: string, options: unknown): z.infer<typeof LocalOptions> {
  const result = LocalOptions.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `targets.${target}.options.${issue.path.join('.')}: ${issue.message}`);
  throw new Failure('job-file-invalid', problems.join('\n'));
}

type Plain = Exclude<keyof typeof defaults, 'learningRate'>;

/** Takes fields as they are written, or the default, and notes which. */
function createSettingMapper(training: Training, notes: Note[]): <F extends Plain>(field: F) => NonNullable<Training[F]> {
  return (field) => {
    const written = training[field];
    const value = written ?? defaults[field];
    notes.push({ type: written === undefined ? 'defaulted' : 'sent', field: `training.${field}`, value });
    return value;
  };
}

function mapLearningRate({ learningRate }: Training, notes: Note[]): number {
  const field = 'training.learningRate';
  if (typeof learningRate === 'number') {
    notes.push({ type: 'sent', field, value: learningRate });
    return learningRate;
  }
  if (learningRate !== undefined) {
    notes.push({ type: 'unsupported', field, value: learningRate, why: 'a multiplier needs a rate to multiply; give an absolute rate' });
  }
  notes.push({ type: 'defaulted', field, value: defaults.learningRate });
  return defaults.learningRate;
}

function mapMaxLength({ maxLength }: Training, most: number | null, notes: Note[]): number {
  const field = 'training.maxLength';
  const limit = most ?? 512;
  if (maxLength === undefined) notes.push({ type: 'defaulted', field, value: limit });
  else if (maxLength > limit)
    notes.push({ type: 'converted', field, from: maxLength, value: limit, why: `the model reads ${limit} tokens at most` });
  else notes.push({ type: 'sent', field, value: maxLength });
  return Math.min(maxLength ?? limit, limit);
}

function addUnsupported(training: Training, prompt: unknown, notes: Note[]): void {
  const { adapter, method, loss, beta } = training;
  const add = (field: string, value: unknown, why: string): void => void notes.push({ type: 'unsupported', field, value, why });
  if (adapter?.type === 'full') notes.push({ type: 'sent', field: 'training.adapter', value: adapter });
  else if (adapter !== undefined) add('training.adapter', adapter, 'the local trainer trains all parameters so far');
  if (method === 'sft') notes.push({ type: 'sent', field: 'training.method', value: method });
  else if (method !== undefined) add('training.method', method, 'the local trainer knows "sft" so far');
  if (loss !== undefined) add('training.loss', loss, 'a classifier has one loss');
  if (beta !== undefined) add('training.beta', beta, '"beta" belongs to the method "dpo"');
  if (prompt !== null) add('prompt', prompt, 'a classifier reads the text as it is');
}

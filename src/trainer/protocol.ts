/**
 * What the trainer process reads and writes. The local provider and the trainer share nothing but these files of
 * the run folder:
 *
 *     train.json       written once before the process starts: TrainFile
 *     rows/*.jsonl     one row a line: TrainRow, ChatTrainRow or PreferenceTrainRow (see train-rows.ts)
 *     events.jsonl     appended by the trainer, one TrainerEvent a line
 *     control.json     written (by rename) to ask a running trainer for something: ControlFile; read before each step
 *     checkpoints/     step-00000120/ and the one before it: all that is needed to go on (see checkpoints.ts)
 *     fence.json       FenceFile: attempts up to this one must not start any more
 *     run.lock.db      a SQLite file that the trainer holds exclusively as long as it lives
 *     model/           the tuned model, a Hugging Face folder; appears by rename, whole
 *     unfinished/      the last finite weights of a training that diverged or was cancelled
 *
 * Messages of the schemas say what is expected (see `parseFields`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure, toSystemCode } from '../errors.ts';
import { parseFields, parseJsonOr, readJsonObject } from '../lib/json.ts';
import { backendNames } from './backends/index.ts';
import { AdapterSettings } from './adapter-settings.ts';
import { Comparison, trainingControls } from './training-controls.ts';
import { kernelVariants, type KernelVariant } from './kernels/index.ts';

export { AdapterSettings, type LoraSettings } from './adapter-settings.ts';

const wholeNumber = z.int('a whole number');
const count = z.int('a whole number from 0').min(0, 'a whole number from 0');
const positive = z.int('a positive whole number').min(1, 'a positive whole number');
const amount = z.number('a number from 0').min(0, 'a number from 0');
const path = z.string('a path');
const Version = z.literal(1, '1');
/** Kernels of our own by the name of their variant. */
export const Kernels = z.enum(Object.keys(kernelVariants) as KernelVariant[]);
export type Kernels = z.infer<typeof Kernels>;
const Backend = z.enum(backendNames, `one of ${backendNames.join(', ')}`);

/** A classifier: a folder with its own head for these labels, or a folder and a new head drawn from `seed`. */
export const ClassifierSource = z.object(
  {
    /** Absolute path of a Hugging Face folder. */
    folder: path,
    /** Label names in the order of the classes; none: the model gives one number. */
    labels: z.array(z.string('a name'), 'a list of names').readonly(),
    /** Each text has any number of the labels; absent: exactly one. */
    isMultiLabel: z.literal(true, 'true').optional(),
    /** Absolute path of a PEFT folder with an adapter for it. */
    adapter: path.optional(),
    /** Seeds the new head where the folder has none for these labels. */
    seed: wholeNumber,
    /** Rows are cut to so many tokens, special tokens included. */
    maxLength: positive,
  },
  'an object',
);
export type ClassifierSource = Readonly<z.infer<typeof ClassifierSource>>;

/** A language model. */
export const LanguageSource = ClassifierSource.pick({ folder: true, adapter: true, seed: true, maxLength: true });
export type LanguageSource = Readonly<z.infer<typeof LanguageSource>>;

export const TrainingSettings = z
  .object(
    {
      /** Passes over the training rows (may be fractional), or null where `steps` is given. */
      epochs: z.number('a positive number or null').positive('a positive number or null').nullable(),
      /** Optimizer steps, or null where `epochs` is given. */
      steps: positive.nullable(),
      /** Rows per optimizer step. */
      batchSize: positive,
      /** Rows per forward pass; divides a batch into micro-batches whose gradients are accumulated. */
      microBatchSize: positive,
      learningRate: amount,
      schedule: z.enum(['linear', 'cosine', 'constant'], '"linear", "cosine" or "constant"'),
      /** Share of the steps with a rising learning rate. */
      warmupRatio: amount.max(1, 'at most 1'),
      weightDecay: amount,
      /** Gradients are scaled down to this Euclidean norm; 0 leaves them as they are. */
      maxGradNorm: amount,
      /** `best` keeps the weights of the epoch with the lowest validation loss, or the best measure where early stopping goes by that. */
      select: z.enum(['last', 'best'], '"last" or "best"'),
      seed: wholeNumber,
      /** Optimizer steps between checkpoints; null: at the ends of epochs and by time. Changes no result. */
      checkpointSteps: positive.nullable(),
      /** How strongly a model that learns preferences is held to what it was; absent: 0.1, where it matters. */
      beta: amount.optional(),
      /** Which parameters are trained; absent: all. */
      adapter: AdapterSettings.optional(),
      ...trainingControls,
    },
    'an object',
  )
  .refine(({ epochs, steps }) => (epochs === null) !== (steps === null), {
    path: ['epochs'],
    error: 'either epochs or steps, the other one null',
  });
export type TrainingSettings = Readonly<z.infer<typeof TrainingSettings>>;

/** What `train.json` says. Paths are relative to the run folder, except `model.folder`. */
export const TrainFile = z.object({
  version: Version,
  /** Names this start of the trainer; repeated in `trainer-started`. */
  nonce: z.string('a text'),
  attempt: count,
  backend: Backend,
  /** How many threads share each batch; absent: one. Another count gives other last digits. */
  threads: positive.optional(),
  /** Threads of the backend itself, where it has more than one: other bits come of another number. Absent: as many as it has. */
  backendThreads: positive.optional(),
  /** Bytes of memory that it was said to need; absent where that is not known. */
  memoryBytes: count.optional(),
  /** What is learned; absent: to classify. A language model has no labels. */
  task: z.enum(['chat', 'preference'], '"chat" or "preference"').optional(),
  model: ClassifierSource,
  rows: z.object({ train: path, validation: z.string('a path or null').nullable() }, 'an object').readonly(),
  training: TrainingSettings,
  /** Printed in the model card. */
  card: z.object({ name: z.string('a name'), base: z.string('a name') }, 'an object').readonly(),
});
export type TrainFile = Readonly<z.infer<typeof TrainFile>>;

export type { ChatTrainRow, PreferenceTrainRow, TrainRow } from './train-rows.ts';

/** `cancel` ends a training for good; `pause` stops it where it can go on, and is removed when the training is started again. */
export const ControlFile = z.object({ command: z.enum(['cancel', 'pause']) });
export type ControlFile = Readonly<z.infer<typeof ControlFile>>;
export type ControlRequest = ControlFile['command'];

export const FenceFile = z.object({ attempt: count });
export type FenceFile = Readonly<z.infer<typeof FenceFile>>;

/** JSON has no NaN, which the loss of finite weights may still be. */
const loss = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

/** One optimizer step. Written once, also where the step is taken again after an interruption. */
const StepFinished = z.object({
  type: z.literal('step-finished'),
  /** Counted from 1. */
  step: count,
  steps: count,
  /** Passes finished, fractional. */
  epoch: z.number(),
  /** Mean cross-entropy over the step's rows, nats. */
  loss: z.number(),
  learningRate: z.number(),
  /** Euclidean norm of all gradients before clipping. */
  gradNorm: z.number(),
  rowsPerSecond: z.number(),
  etaSeconds: z.number(),
});
export type StepFinished = Readonly<z.infer<typeof StepFinished>>;

/** The validation rows, scored after an epoch; the loss is the mean cross-entropy of a row, or of a token that is learned, nats. */
export const EpochEvaluated = z.object({
  type: z.literal('epoch-evaluated'),
  step: count,
  epoch: z.number(),
  rows: count,
  loss,
  /** Of a classifier. */
  accuracy: z.number().optional(),
  /** Of a classifier whose texts have several labels. */
  microF1: z.number().optional(),
  /** Of a model that gives a number; the loss is the mean squared error then. */
  meanAbsoluteError: z.number().optional(),
  /** Of a model that learns preferences: the share of pairs whose better answer has the greater reward. */
  rewardAccuracy: z.number().optional(),
});
export type EpochEvaluated = Readonly<z.infer<typeof EpochEvaluated>>;

const at = { at: z.string() };
const event = <T extends string>(name: T): z.ZodObject<{ type: z.ZodLiteral<T>; at: z.ZodString }> =>
  z.object({ type: z.literal(name), ...at });

const DataRead = event('data-read').extend({
  rows: count,
  /** How many of them the steps read; absent: all. */
  read: count.optional(),
  validationRows: count,
  truncated: count,
  steps: count,
  /** Parameters that the model's folder lacks, and that were drawn anew, beside the head; absent: none. */
  drawn: z.array(z.string()).optional(),
  /** The package that computes, and on which device; absent: the backend is a part of this program. */
  library: z.string().optional(),
  /** What is unexpected about it. */
  warning: z.string().optional(),
  /** Of a language model: how many tokens of the first rows are learned, and what is unexpected about them. */
  learning: z.object({ rows: count, tokens: count, learned: count, warnings: z.array(z.string()) }).optional(),
});
export type DataRead = Readonly<z.infer<typeof DataRead>>;

/** One line of `events.jsonl`; `at` is ISO 8601 UTC. */
const TrainerEvent = z.discriminatedUnion('type', [
  event('trainer-started').extend({
    nonce: z.string(),
    attempt: count,
    pid: count,
    backend: z.string(),
    isQueued: z.boolean().optional(),
    /** Which of our own compute; null, and absent in older files: those of TensorFlow.js. */
    kernels: Kernels.nullish(),
    /** How many threads compute, and on how many cores, where there are more than one. */
    threads: count.optional(),
    cores: count.optional(),
    /** How many processes the system had ended for lack of memory by then; absent where it does not say so. */
    memoryKills: count.optional(),
  }),
  /** It waits until the training of this name, and all before that, have ended. */
  event('training-queued').extend({ behind: z.string() }),
  /** After an interruption: goes on after this step, 0 without a checkpoint. `changed`: why the last digits of the result may differ. */
  event('training-resumed').extend({ step: count, changed: z.string().nullable() }),
  /** How far the reading of a part's rows is, where it takes long. */
  event('rows-read').extend({ part: z.enum(['train', 'validation']), rows: count, share: z.number() }),
  DataRead,
  StepFinished.extend(at),
  EpochEvaluated.extend(at),
  /** Early stopping has ended it: `best` is the step of the best validation. */
  event('training-ended-early').extend({ step: count, steps: count, best: count, patience: count, by: Comparison }),
  event('checkpoint-written').extend({ step: count, milliseconds: z.number() }),
  event('checkpoint-skipped').extend({ reason: z.string() }),
  event('model-written').extend({ folder: z.enum(['model', 'unfinished']), step: count, sha256: z.string() }),
  event('training-finished').extend({ step: count, seconds: z.number() }),
  event('training-cancelled').extend({ step: count }),
  event('training-paused').extend({ step: count }),
  /** It could not go on here and now, such as on a full disk: it goes on from its newest checkpoint when it is started again. */
  event('training-stopped').extend({ code: z.string(), message: z.string(), hint: z.string().nullable() }),
  event('training-failed').extend({ code: z.string(), message: z.string(), hint: z.string().nullable() }),
]);
export type TrainerEvent = Readonly<z.infer<typeof TrainerEvent>>;

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type TrainerNews = WithoutTime<TrainerEvent>;

/** train.json of a run folder. @throws Failure `configuration-invalid` naming the field, `file-missing` */
export function readTrainFile(folder: string): TrainFile {
  const file = join(folder, 'train.json');
  return parseFields(TrainFile, readJsonObject(file, 'training file', 2 ** 24), { source: file, code: 'configuration-invalid' });
}

/** Whether attempts up to and including this one must not start any more. To be asked while the lock is held. */
export function isFenced(folder: string, attempt: number): boolean {
  const source = join(folder, 'fence.json');
  const json = readIfPresent(source);
  return json !== null && attempt <= parseFields(FenceFile, json, { source, code: 'configuration-invalid' }).attempt;
}

/** What a running trainer is asked for; null where that is nothing, or a request of another version. */
export function readControlRequest(folder: string): ControlRequest | null {
  return ControlFile.safeParse(readIfPresent(join(folder, 'control.json'))).data?.command ?? null;
}

/** A file that others write by rename, and may take away: whole or absent (null). */
function readIfPresent(file: string): unknown {
  if (!existsSync(file)) return null; // asked before each step: an error would cost more
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (toSystemCode(error) === 'ENOENT') return null;
    throw new Failure('configuration-invalid', `${file}: not valid JSON`, { error });
  }
}

/**
 * The events of events.jsonl from byte `from` on, and where the last whole line ends. A line that a crash has left broken ends them;
 * events of another version are left out.
 */
export function parseEvents(bytes: Buffer, from = 0): { readonly events: TrainerEvent[]; readonly end: number } {
  const events: TrainerEvent[] = [];
  let start = from;
  for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
    const json = parseJsonOr(bytes.toString('utf8', start, end), undefined);
    if (json === undefined) break;
    const event = TrainerEvent.safeParse(json);
    if (event.success) events.push(event.data);
    start = end + 1;
  }
  return { events, end: start };
}

/** The steps of the checkpoints in a folder, whole or not, the newest first. */
export function listCheckpoints(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => /^step-(\d{8,15})$/.exec(name)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => b - a);
}

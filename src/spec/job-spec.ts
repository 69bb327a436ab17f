import { z } from 'zod';

/**
 * The job file, version 1: what a person writes. One definition; its types, its JSON Schema and its error messages come from here.
 * Nothing is filled in: what is absent stays absent, so that a service's own default applies and is recorded.
 */

const Name = z.string().regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 characters of a-z, 0-9 and "-"');

/** `./path` beside the job file (or an absolute path), or `hub:owner/name[@revision][#config/split]`. */
const Source = z
  .string()
  .regex(
    /^(\.{0,2}\/.+|hub:[\w.-]+\/[\w.-]+(@[\w./-]+)?(#[\w.-]+\/[\w.-]+)?)$/,
    'expected a path that begins with "./", "../" or "/", or "hub:owner/name[@revision][#config/split]"',
  );
const Sources = z.union([Source, z.array(Source).min(1)]);

const Json: z.ZodType<unknown> = z.json();
const RawFields = z.record(z.string(), Json);

const LearningRate = z.union([z.number().positive(), z.strictObject({ multiplier: z.number().positive() })]);

const Adapter = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('full') }),
  z.strictObject({ type: z.literal('head') }),
  z.strictObject({
    type: z.literal('lora'),
    rank: z.int().positive(),
    alpha: z.number().positive().optional(),
    dropout: z.number().min(0).lt(1).optional(),
    targets: z.array(z.string().min(1)).min(1).optional(),
  }),
]);

/** How to train: wishes in the job, requirements under a target. */
const trainingFields = {
  method: z.enum(['sft', 'dpo']),
  epochs: z.number().positive(),
  steps: z.int().positive(),
  /** Rows per optimizer step. */
  batchSize: z.int().positive(),
  /** Absolute, or a multiple of what the service would choose: two quantities that are never converted into each other. */
  learningRate: LearningRate,
  /** Each after the warm-up. */
  schedule: z.enum(['linear', 'cosine', 'constant']),
  warmupRatio: z.number().min(0).max(1),
  weightDecay: z.number().min(0),
  maxGradNorm: z.number().positive(),
  beta: z.number().positive(),
  adapter: Adapter,
  loss: z.enum(['answer', 'all']),
  select: z.enum(['last', 'best']),
  /** Tokens per row. */
  maxLength: z.int().positive(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
} as const;

export const Training = z.strictObject(trainingFields).partial();
export type Training = z.infer<typeof Training>;
export type TrainingField = keyof Training;

/** The same fields under a target; `null` takes a wish of the job back. */
const TargetTraining = z
  .strictObject(
    Object.fromEntries(Object.entries(trainingFields).map(([field, schema]) => [field, schema.nullable()])) as {
      [F in TrainingField]: z.ZodNullable<(typeof trainingFields)[F]>;
    },
  )
  .partial();

const Target = z.strictObject({
  /** The provider's id; the target's own name when absent. */
  provider: z.string().min(1).optional(),
  /** `./path`, `hub:owner/name`, or the service's own name. */
  model: z.string().min(1),
  training: TargetTraining.optional(),
  options: RawFields.optional(),
  native: RawFields.optional(),
});

const Reference = z.union([
  z.strictObject({ provider: z.string().min(1), model: z.string().min(1) }),
  z.strictObject({ predictions: Source }),
  z.strictObject({ command: z.array(z.string().min(1)).min(1) }),
]);

const Column = z.string().min(1);
const Columns = z
  .strictObject({
    text: Column,
    text2: Column,
    label: Column,
    messages: Column,
    prompt: Column,
    chosen: Column,
    rejected: Column,
  })
  .partial();

const Evaluation = z
  .strictObject({
    measure: z.string().min(1),
    /** How much worse still counts as "not worse", in units of the measure. */
    margin: z.number().min(0),
    generation: z.strictObject({ temperature: z.number().min(0), maxTokens: z.int().positive(), seed: z.int() }).partial(),
    concurrency: z.int().positive(),
  })
  .partial();

export const JobSpec = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  name: Name,
  workspace: Name.optional(),
  strict: z.boolean().optional(),
  onUncertain: z.enum(['ask', 'retry']).optional(),
  task: z.enum(['classification', 'chat', 'preference', 'text']),
  data: z.strictObject({
    train: Sources,
    validation: z.union([Sources, z.strictObject({ fraction: z.number().gt(0).max(0.5) })]).optional(),
    test: z.union([Source, z.record(Name, Sources)]).optional(),
    columns: Columns.optional(),
  }),
  prompt: z.strictObject({ system: z.string(), template: z.string() }).partial().optional(),
  training: Training.optional(),
  evaluation: Evaluation.optional(),
  budget: z
    .strictObject({ usd: z.number().min(0), hours: z.number().positive() })
    .partial()
    .optional(),
  tags: z.record(z.string(), z.string()).optional(),
  targets: z.record(Name, Target).refine((targets) => Object.keys(targets).length > 0, 'expected at least one target'),
  references: z.record(Name, Reference).optional(),
});
export type JobSpec = z.infer<typeof JobSpec>;

/** Words that a later version will give a meaning, by path; refused until then rather than ignored. */
export const reservedFields: readonly string[] = ['matrix', 'notify', 'tracking', 'training.earlyStopping', 'training.from'];

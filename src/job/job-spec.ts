import { z } from 'zod';
import { formatDefaultMeasures } from './measures.ts';

/**
 * The job file, version 1: what a person writes. One definition: the types, the JSON Schema, the reference page and the error messages
 * come from here. Nothing is filled in: absent fields stay absent, so that a service's own default applies and is recorded.
 */

const Name = z.string().regex(/^[a-z0-9-]{1,32}$/, '1 to 32 characters of a-z, 0-9 and "-"');

const Source = z
  .string()
  .regex(
    /^(\.{0,2}\/.+|hub:[\w.-]+\/[\w.-]+(@[\w./-]+)?([#:].+)?)$/,
    'a path that begins with "./", "../" or "/", or a dataset of the Hub such as "hub:owner/name#train"',
  );
const Sources = z.union([Source, z.array(Source).min(1)], 'a path, a dataset of the Hub, or a list of them');

const Json: z.ZodType<unknown> = z.json();
const RawFields = z.record(z.string(), Json);

const LearningRate = z.union(
  [z.number().positive(), z.strictObject({ multiplier: z.number().positive() })],
  'a number or {"multiplier": number}',
);

const Adapter = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('full') }),
    z.strictObject({ type: z.literal('head') }),
    z.strictObject({
      type: z.literal('lora'),
      rank: z.int().positive().describe('rank of the added matrices'),
      alpha: z.number().positive().optional().describe('scale; the update is multiplied with alpha / rank'),
      dropout: z.number().min(0).lt(1).optional().describe('dropout before the added matrices'),
      targets: z.array(z.string().min(1)).min(1).optional().describe('names of the linear maps that get an adapter'),
      rankStabilized: z.boolean().optional().describe('the update is multiplied with alpha / √rank instead (rsLoRA)'),
    }),
  ],
  'one of "full", "head", "lora"',
);

const EarlyStopping = z.strictObject({
  patience: z
    .int()
    .positive()
    .describe('validations in a row that may be no better than the best one before them; the training ends after so many'),
  minDelta: z.number().min(0).optional().describe('a value counts as better where it is better by more than this; default 0'),
  by: z
    .enum(['loss', 'measure'])
    .optional()
    .describe('what is compared: the validation loss (default), or the measure, such as the accuracy'),
});

/** How to train: optional in the job, required under a target. */
const trainingFields = {
  method: z.enum(['sft', 'dpo']).describe('supervised fine-tuning, or direct preference optimization (task "preference" only)'),
  epochs: z.number().positive().describe('passes over the training rows, may be fractional; not together with "steps"'),
  steps: z.int().positive().describe('optimizer steps; not together with "epochs"'),
  batchSize: z.int().positive().describe('rows per optimizer step'),
  learningRate: LearningRate.describe(
    'absolute, or {"multiplier": m} of what the service would choose: two quantities that are never converted into each other',
  ),
  schedule: z.enum(['linear', 'cosine', 'constant']).describe('course of the learning rate after the warm-up'),
  warmupRatio: z.number().min(0).max(1).describe('share of the steps in which the learning rate rises'),
  weightDecay: z.number().min(0).describe('decoupled weight decay, not on biases and norms'),
  maxGradNorm: z.number().positive().describe('gradients are scaled down to this Euclidean norm'),
  beta: z.number().positive().describe('strength of the reference model in "dpo"'),
  adapter: Adapter.describe('which parameters are trained: all ("full"), the head only, or added low-rank matrices ("lora")'),
  loss: z.enum(['answer', 'all']).describe('tokens that count: those of the answer, or all'),
  earlyStopping: EarlyStopping.describe(
    'ends the training where the validation rows show no more progress, and keeps the best weights unless "select" says otherwise',
  ),
  select: z.enum(['last', 'best']).describe('which weights are kept: the last ones, or the best ones on the validation rows'),
  maxLength: z.int().positive().describe('tokens per row; longer rows are cut'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .describe('of everything random'),
} as const;

export const Training = z.strictObject(trainingFields).partial();
export type Training = z.infer<typeof Training>;
export type TrainingField = keyof Training;

/** The same fields under a target; `null` removes a field of the job. */
const TargetTraining = z
  .strictObject(
    Object.fromEntries(Object.entries(trainingFields).map(([field, schema]) => [field, schema.nullable()])) as {
      [F in TrainingField]: z.ZodNullable<(typeof trainingFields)[F]>;
    },
  )
  .partial();

const Target = z.strictObject({
  provider: z.string().min(1).optional().describe("the provider's id; the target's own name when absent"),
  model: z.string().min(1).describe("`./folder`, `hub:owner/name[@revision]`, or the service's own name"),
  training: TargetTraining.optional().describe(
    'as the job\'s "training", but required: a field that the target cannot follow is an error; null removes a field of the job',
  ),
  options: RawFields.optional().describe('settings of the provider'),
  native: RawFields.optional().describe('raw fields that go to the service as they are'),
});

const Reference = z.union(
  [
    z.strictObject({
      provider: z.string().min(1).describe("the provider's id"),
      model: z.string().min(1).describe('an existing model of it, by its name there'),
      options: RawFields.optional().describe('settings of the provider "endpoint", such as "baseUrl"'),
    }),
    z.strictObject({ predictions: Source.describe('a file of answers: JSON lines with "text" or "messages", and "answer"') }),
    z.strictObject({
      command: z
        .array(z.string().min(1))
        .min(1)
        .describe('a program and its arguments, run in the folder of the job file: rows in, answers out, as JSON lines'),
      env: z
        .array(z.string().min(1))
        .optional()
        .describe('credentials that the command needs, such as OPENAI_API_KEY: it gets no other one that the program reads'),
    }),
  ],
  'an object with "provider" and "model", with "predictions", or with "command"',
);

const Column = z.string().min(1);
const Columns = z
  .strictObject({
    text: Column.describe('classification, multi-label, regression, text: the text'),
    text2: Column.describe('classification, multi-label, regression: the second text of a pair'),
    label: Column.describe('classification: the label; regression: the number'),
    labels: z
      .union([Column, z.array(Column).min(1)], 'a column, or a list of columns')
      .describe(
        'multi-label: the list of labels, or a text with "|", ";" or "," between them; or a list of columns with 0 or 1, one a label',
      ),
    messages: Column.describe('chat: the list of messages'),
    prompt: Column.describe('preference: the prompt'),
    chosen: Column.describe('preference: the better answer'),
    rejected: Column.describe('preference: the worse answer'),
  })
  .partial();

const TestSet = z.union(
  [Source, z.array(Source).min(1), z.strictObject({ files: Sources, columns: Columns })],
  'a path, a list of paths, or {"files", "columns"}',
);

const Fraction = z.strictObject({ fraction: z.number().gt(0).max(0.5) });

const AnswerSchema = z.union(
  [RawFields, z.string().regex(/^\.{0,2}\/.+/, 'a path that begins with "./", "../" or "/"')],
  'a JSON Schema, or the path of one such as "./answer.schema.json"',
);

const Evaluation = z
  .strictObject({
    measure: z.string().min(1).describe(`what models are compared by; default ${formatDefaultMeasures()}, "none" for preference`),
    margin: z.number().min(0).describe('how much worse still counts as "not worse", in units of the measure; default 0.02'),
    generation: z
      .strictObject({
        temperature: z.number().min(0),
        maxTokens: z.int().positive(),
        seed: z.int(),
        schema: AnswerSchema.describe(
          'chat: a JSON Schema, or the path of one, that answers follow: sent to services, and held token by token on this machine',
        ),
      })
      .partial()
      .describe(
        'settings of generated answers; without "maxTokens" an answer may be as long as the longest label needs, or 1,024 tokens in a chat',
      ),
    concurrency: z.int().positive().describe('rows that are answered at once'),
  })
  .partial();

export const JobSpec = z.strictObject({
  $schema: z.string().optional().describe('path or address of this schema, for editors'),
  version: z.literal(1).describe('of the job file'),
  name: Name.describe('of the job; runs are called `name/target`'),
  workspace: Name.optional().describe('part of the run key: the same job in two workspaces is two runs'),
  strict: z.boolean().optional().describe('true makes all training fields required'),
  onUncertain: z
    .enum(['ask', 'retry'])
    .optional()
    .describe('what to do when it is unknown whether a submission arrived; the provider decides when absent'),
  task: z
    .enum(['classification', 'multi-label', 'regression', 'chat', 'preference', 'text'])
    .describe('what is learned: "classification" is one label for a text, "multi-label" any number of them, "regression" one number'),
  data: z
    .strictObject({
      train: Sources.describe(
        'training rows: a source or a list; a source is `./path` (.jsonl, .csv, .tsv, .parquet) or `hub:owner/name#split`, see data.md',
      ),
      validation: z
        .union([Sources, Fraction], 'a path, a list of paths or {"fraction": number}')
        .optional()
        .describe('rows that measure the training while it runs: sources, or a share of the training rows chosen by their hash'),
      test: z
        .union([Source, Fraction, z.record(Name, TestSet)], 'a path, {"fraction": number}, or named paths such as {"name": "./path"}')
        .optional()
        .describe(
          'held-out rows, never sent for training: a source; a share of the training rows of each label; or a map of named sets, of which one with columns of its own is {"files", "columns"}',
        ),
      columns: Columns.optional().describe('which columns of the data hold what; named as here when absent'),
      quote: z
        .enum(['none', 'double'])
        .optional()
        .describe('quotes of tables: "none" reads them as text, "double" around fields; by what the file has when absent'),
      allowSecrets: z.boolean().optional().describe('true uses rows that seem to hold keys or secrets; they are refused otherwise'),
    })
    .describe('the rows'),
  prompt: z
    .strictObject({ system: z.string().describe('system message'), template: z.string().describe('user message; {text} is the row') })
    .partial()
    .optional()
    .describe('how a row becomes a chat for chat models'),
  training: Training.optional().describe('how to train; a target ignores a field that it cannot follow, and says so in its plan'),
  evaluation: Evaluation.optional().describe('how models are compared'),
  budget: z
    .strictObject({ usd: z.number().min(0).describe('dollars'), hours: z.number().positive().describe('hours') })
    .partial()
    .optional()
    .describe('limits for the whole file'),
  tags: z.record(z.string(), z.string()).optional().describe('free text, shown with the runs'),
  targets: z
    .record(Name, Target)
    .refine((targets) => Object.keys(targets).length > 0, 'at least one target')
    .describe('where to train: one entry a target, by a name of your choice'),
  references: z.record(Name, Reference).optional().describe('models that are scored but not trained'),
});
export type JobSpec = z.infer<typeof JobSpec>;

/** Words that a later version will give a meaning, by path; refused until then rather than ignored. */
export const reservedFields: readonly string[] = ['matrix', 'notify', 'tracking', 'training.from'];

/** The job file as JSON Schema (draft 2020-12). */
export function buildJobSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(JobSpec, { io: 'input' });
  return { ...schema, title: 'orchestrate job', description: 'One job file of orchestrate, version 1.' };
}

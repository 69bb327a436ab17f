import type { Training, TrainingField } from '../job/job-spec.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { TranslationInput } from '../provider/provider.ts';

/** Two values of every training field, so that a provider cannot forget one. */
const trainingValues: { readonly [F in TrainingField]-?: readonly [NonNullable<Training[F]>, NonNullable<Training[F]>] } = {
  method: ['sft', 'dpo'],
  epochs: [1, 2],
  steps: [3, 4],
  batchSize: [2, 4],
  learningRate: [1e-4, 2e-4],
  schedule: ['linear', 'cosine'],
  warmupRatio: [0.1, 0.2],
  weightDecay: [0.01, 0.02],
  maxGradNorm: [0.5, 2],
  beta: [0.1, 0.2],
  adapter: [
    { type: 'lora', rank: 4 },
    { type: 'lora', rank: 8 },
  ],
  loss: ['answer', 'all'],
  select: ['last', 'best'],
  maxLength: [16, 32],
  seed: [1, 2],
};

/** The base input with one field more, twice: each time with another value. A provider may refuse either. */
export interface Probe {
  /** The field's path in the job, for example `training.seed`. */
  readonly field: string;
  readonly inputs: readonly [TranslationInput, TranslationInput];
}

export function toProbes(base: TranslationInput): Probe[] {
  const toInput = (change: Partial<RunSpec>): TranslationInput => ({ ...base, spec: { ...base.spec, ...change } });
  const toTrainingInput = (field: TrainingField, value: unknown): TranslationInput => {
    const training: Record<string, unknown> = { ...base.spec.training, [field]: value };
    // These two answer one question and never stand together.
    if (field === 'epochs') delete training['steps'];
    if (field === 'steps') delete training['epochs'];
    return toInput({ training });
  };
  const training = Object.entries(trainingValues) as [TrainingField, readonly [unknown, unknown]][];
  const more: [TrainingField, readonly [unknown, unknown]][] = [
    ['learningRate', [{ multiplier: 0.5 }, { multiplier: 2 }]],
    ['adapter', [{ type: 'head' }, { type: 'full' }]],
  ];
  return [
    ...[...training, ...more].map(([field, [one, other]]) => ({
      field: `training.${field}`,
      inputs: [toTrainingInput(field, one), toTrainingInput(field, other)] as const,
    })),
    { field: 'prompt.system', inputs: [toInput({ prompt: { system: 'Answer.' } }), toInput({ prompt: { system: 'Say it.' } })] },
    { field: 'prompt.template', inputs: [toInput({ prompt: { template: '{text}?' } }), toInput({ prompt: { template: '{text}!' } })] },
    { field: 'options.x-law', inputs: [toInput({ options: { 'x-law': 1 } }), toInput({ options: { 'x-law': 2 } })] },
    { field: 'native.x-law', inputs: [toInput({ native: { 'x-law': 1 } }), toInput({ native: { 'x-law': 2 } })] },
  ];
}

/** Jobs that many providers cannot do: they may be refused, if it is done well. */
export function toStrangeInputs({ spec, ...rest }: TranslationInput): Record<string, TranslationInput> {
  const changes: Record<string, Partial<RunSpec>> = {
    'task chat': { task: 'chat' },
    'task preference': { task: 'preference', training: { method: 'dpo' } },
    'task text': { task: 'text' },
    'a hub model': { model: { kind: 'hub', name: 'owner/name', revision: null } },
    'a model of a service': { model: { kind: 'service', name: 'some-model' } },
    'a model folder': { model: { kind: 'folder', path: '/models/some' } },
    'an option that is null': { options: { 'x-law': null } },
    'every training field required': { requirements: Object.keys(trainingValues) as TrainingField[] },
  };
  return Object.fromEntries(Object.entries(changes).map(([label, change]) => [label, { ...rest, spec: { ...spec, ...change } }]));
}

/** Every field that an input writes, with its value: what has to end in a note. */
export function toWrittenFields(spec: RunSpec): Map<string, unknown> {
  const { training, prompt, options, native } = spec;
  const groups: Readonly<Record<string, object>> = { training, prompt: prompt ?? {}, options, native };
  return new Map(
    Object.entries(groups).flatMap(([group, fields]) =>
      Object.entries(fields).map(([field, value]): [string, unknown] => [`${group}.${field}`, value]),
    ),
  );
}

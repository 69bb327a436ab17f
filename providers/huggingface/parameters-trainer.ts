import {
  sent,
  mapBatchSize,
  mapLearningRate,
  mapMaxLength,
  mapMethod,
  toBatchSize,
  type EngineContext,
  type EngineSettings,
} from './engine-settings.ts';
import type { Parameters } from './request.ts';

const batch = { perDevice: 'per_device_train_batch_size', accumulation: 'gradient_accumulation_steps' } as const;
const schedules = { linear: 'linear', cosine: 'cosine', constant: 'constant_with_warmup' } as const;

/** Of a classifier's rows, which are short, and of conversations: what the memory of a small GPU holds at once. */
export function mapTrainerBatchSize(most: number): EngineSettings['map']['batchSize'] {
  return mapBatchSize(batch, most);
}

/** Fields under the names of transformers' `TrainingArguments`, which TRL and our own script take over. */
export const trainerTake = {
  method: mapMethod,
  epochs: (value) => sent({ num_train_epochs: value }),
  steps: (value) => sent({ max_steps: value }),
  learningRate: mapLearningRate('learning_rate'),
  schedule: (value) => sent({ lr_scheduler_type: schedules[value] }),
  weightDecay: (value) => sent({ weight_decay: value }),
  maxGradNorm: (value) => sent({ max_grad_norm: value }),
  maxLength: mapMaxLength('max_length'),
  seed: (value) => sent({ seed: value }),
} as const satisfies Partial<EngineSettings['map']>;

/** What these fields are where the job does not name them. */
export const trainerDefaulted = {
  epochs: ({ num_train_epochs: epochs, max_steps: steps }: Parameters) => (steps === -1 ? epochs : null),
  steps: () => null,
  batchSize: (parameters: Parameters, { machine }: EngineContext) => toBatchSize(parameters, batch, machine.devices),
  learningRate: ({ learning_rate: rate }: Parameters) => rate,
  schedule: () => 'linear',
  weightDecay: ({ weight_decay: decay }: Parameters) => decay,
  maxGradNorm: ({ max_grad_norm: norm }: Parameters) => norm,
  adapter: () => ({ type: 'full' }),
  select: () => 'last',
  maxLength: ({ max_length: length }: Parameters) => length,
  seed: ({ seed }: Parameters) => seed,
} as const satisfies Partial<EngineSettings['defaulted']>;

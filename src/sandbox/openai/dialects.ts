import { createHash } from 'node:crypto';

interface BaseModel {
  readonly id: string;
  /** The methods that it can be tuned with; none: it only answers. */
  readonly methods: readonly ('supervised' | 'dpo')[];
  /** `YYYY-MM-DD`, as the service announces it. */
  readonly shutdownDate: string | null;
  /** On Azure: can only be tuned with `trainingType: "globalStandard"`. */
  readonly isGlobalOnly?: boolean;
}

/** In what the two services that share this wire format differ. */
export interface Dialect {
  readonly id: 'openai' | 'azure';
  readonly bases: readonly BaseModel[];
  /** Status words where they are not OpenAI's. */
  readonly statusWords: Readonly<Record<string, string>>;
  formatModelName(parts: { readonly base: string; readonly suffix: string | null; readonly id: string }): string;
  readonly resultFilename: string;
  /** Columns of the result file: name, and the measure in it. */
  readonly columns: readonly (readonly [name: string, metric: string])[];
  encodeResult(csv: string): Buffer;
  /** Whether a job repeats its hyperparameters outside `method`. */
  readonly echoesHyperparameters: boolean;
  /** Until an uploaded file can be used. */
  readonly fileImportMs: number;
  /** Whether a model answers only under the name of a deployment. */
  readonly needsDeployment: boolean;
  /** The status of an answer about something new. */
  readonly createdStatus: 200 | 201;
}

const both = ['supervised', 'dpo'] as const;
const shutdownDate = '2027-01-14';

/** OpenAI itself, as of 2026-11. Its shutdown dates are announced; nothing ends here. */
export const openaiDialect: Dialect = {
  id: 'openai',
  bases: [
    { id: 'gpt-4.1-2025-04-14', methods: both, shutdownDate },
    { id: 'gpt-4.1-mini-2025-04-14', methods: both, shutdownDate },
    { id: 'gpt-4o-2024-08-06', methods: ['supervised'], shutdownDate },
    { id: 'gpt-4o-mini-2024-07-18', methods: ['supervised'], shutdownDate },
    { id: 'gpt-6-luna', methods: [], shutdownDate: null },
  ],
  statusWords: {},
  formatModelName: ({ base, suffix, id }) => `ft:${base.startsWith('ft:') ? base.split(':')[1]! : base}:sandbox:${suffix ?? ''}:${id}`,
  resultFilename: 'step_metrics.csv',
  columns: [
    ['step', 'step'],
    ['train_loss', 'train_loss'],
    ['train_accuracy', 'train_mean_token_accuracy'],
    ['valid_loss', 'valid_loss'],
    ['valid_mean_token_accuracy', 'valid_mean_token_accuracy'],
  ],
  // The service sends the text of result files base64-encoded.
  encodeResult: (csv) => Buffer.from(Buffer.from(csv).toString('base64')),
  echoesHyperparameters: true,
  fileImportMs: 0,
  needsDeployment: false,
  createdStatus: 200,
};

const tunable = ['gpt-4.1-2025-04-14', 'gpt-4.1-mini-2025-04-14', 'gpt-4.1-nano-2025-04-14', 'gpt-4o-2024-08-06'];
const globalOnly = ['Ministral-3B', 'Qwen-32B', 'Llama-3.3-70B', 'gpt-oss-20b'];

/** Azure OpenAI (Microsoft Foundry): the same wire format with other words, names and columns. */
export const azureDialect: Dialect = {
  id: 'azure',
  bases: [
    ...tunable.map((id): BaseModel => ({ id, methods: both, shutdownDate: null })),
    ...globalOnly.map((id): BaseModel => ({ id, methods: ['supervised'], shutdownDate: null, isGlobalOnly: true })),
  ],
  statusWords: { validating_files: 'pending', queued: 'pending' },
  formatModelName({ base, suffix, id }) {
    const hex = createHash('md5').update(id).digest('hex');
    return `${base.replace(/\.ft-.*/, '')}.ft-${hex}${suffix === null ? '' : `-${suffix}`}`;
  },
  resultFilename: 'results.csv',
  columns: [
    ['step', 'step'],
    ['train_loss', 'train_loss'],
    ['train_mean_token_accuracy', 'train_mean_token_accuracy'],
    ['valid_loss', 'valid_loss'],
    ['validation_mean_token_accuracy', 'valid_mean_token_accuracy'],
    ['full_valid_loss', 'full_valid_loss'],
    ['full_valid_mean_token_accuracy', 'full_valid_mean_token_accuracy'],
  ],
  encodeResult: (csv) => Buffer.from(csv),
  echoesHyperparameters: false,
  fileImportMs: 300,
  needsDeployment: true,
  createdStatus: 201,
};

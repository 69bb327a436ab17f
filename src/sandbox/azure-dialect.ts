import { createHash } from 'node:crypto';
import type { Dialect } from './dialect.ts';

const both = ['supervised', 'dpo'] as const;

/** Azure OpenAI (Microsoft Foundry): the same wire format with other words, names and columns. */
export const azureDialect: Dialect = {
  id: 'azure',
  bases: [
    { id: 'gpt-4.1-2025-04-14', methods: both, shutdownDate: null },
    { id: 'gpt-4.1-mini-2025-04-14', methods: both, shutdownDate: null },
    { id: 'gpt-4.1-nano-2025-04-14', methods: both, shutdownDate: null },
    { id: 'gpt-4o-2024-08-06', methods: both, shutdownDate: null },
    ...['Ministral-3B', 'Qwen-32B', 'Llama-3.3-70B', 'gpt-oss-20b'].map((id) => ({
      id,
      methods: ['supervised'] as const,
      shutdownDate: null,
      isGlobalOnly: true,
    })),
  ],
  words: { validating_files: 'pending', queued: 'pending' },
  toModelName({ base, suffix, id }) {
    const hex = createHash('md5').update(id).digest('hex');
    return `${base.replace(/\.ft-.*/, '')}.ft-${hex}${suffix === null ? '' : `-${suffix}`}`;
  },
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
};

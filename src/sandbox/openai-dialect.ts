import type { Dialect } from './dialect.ts';

const both = ['supervised', 'dpo'] as const;
const lastDay = '2027-01-14';

/** OpenAI itself, as of 2026-11. Its dates are told, and only those that have passed by then are kept to. */
export const openaiDialect: Dialect = {
  id: 'openai',
  bases: [
    { id: 'gpt-4.1-2025-04-14', methods: both, shutdownDate: lastDay },
    { id: 'gpt-4.1-mini-2025-04-14', methods: both, shutdownDate: lastDay },
    { id: 'gpt-4o-2024-08-06', methods: ['supervised'], shutdownDate: lastDay },
    { id: 'gpt-4o-mini-2024-07-18', methods: ['supervised'], shutdownDate: lastDay },
    { id: 'gpt-6-luna', methods: [], shutdownDate: null },
  ],
  words: {},
  toModelName: ({ base, suffix, id }) => `ft:${base.startsWith('ft:') ? base.split(':')[1]! : base}:sandbox:${suffix ?? ''}:${id}`,
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
};

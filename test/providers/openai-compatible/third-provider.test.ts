import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  createOpenAICompatible,
  readBearer,
  type JobLabel,
  type OpenAICompatibleConfig,
} from '../../../providers/openai-compatible/index.ts';
import type { Training } from '../../../src/job/job-spec.ts';
import { parseBaseUrl } from '../../../src/provider-kit/settings.ts';
import { contractTests } from '../../../src/testing/contract.ts';
import { createTarget, type Connect } from './conformance-target.ts';
import { canaryKey, facts, toInput } from './fixture.ts';
import { forward, startService } from './service.ts';

/** Jobs carry their run in the suffix: this service has no metadata. */
const suffixLabel: JobLabel = {
  build: ({ key, attempt }) => ({ suffix: `${key}-${attempt}` }),
  query: () => ({}),
  parse({ user_provided_suffix: suffix }) {
    const [key = null, attempt] = typeof suffix === 'string' ? suffix.split('-') : [];
    return { key, attempt: Number(attempt) };
  },
};

/** A fictitious service, in its whole: another address, other words, another place of the parameters, a price, no fence and no options. */
const acme: OpenAICompatibleConfig = {
  id: 'acme',
  name: 'Acme',
  baseUrl: (context) => parseBaseUrl(context.setting('ACME_BASE_URL') ?? 'https://api.acme.example/tuning/v2', 'ACME_BASE_URL'),
  credentials: ['ACME_KEY'],
  auth: readBearer('ACME_KEY', 'keys are made at https://acme.example/keys'),
  statusMap: {
    CHECKING: 'validating',
    WAITING: 'queued',
    TRAINING: 'running',
    HELD: 'paused',
    DONE: 'succeeded',
    BROKEN: 'failed',
    STOPPED: 'cancelled',
  },
  options: z.strictObject({}),
  mapTraining({ epochs, ...others }: Training, method) {
    const hyperparameters = epochs === undefined || !Number.isInteger(epochs) ? {} : { n_epochs: epochs };
    const left = { ...others, ...(epochs === undefined || Number.isInteger(epochs) ? {} : { epochs }) };
    return {
      body: method === 'dpo' ? { method: { type: 'dpo', dpo: { hyperparameters } } } : { hyperparameters },
      notes: [
        ...('n_epochs' in hyperparameters ? [{ type: 'sent', field: 'training.epochs', value: epochs } as const] : []),
        ...Object.entries(left).map(
          ([field, value]) => ({ type: 'unsupported', field: `training.${field}`, value, why: 'Acme decides' }) as const,
        ),
      ],
    };
  },
  find: suffixLabel,
  fence: null,
  prices: { 'gpt-4.1-mini-2025-04-14': { supervised: { usd: 2, asOf: '2026-11-01', source: 'acme.example/prices' } } },
};

const words: Readonly<Record<string, string>> = {
  validating_files: 'CHECKING',
  queued: 'WAITING',
  running: 'TRAINING',
  paused: 'HELD',
  succeeded: 'DONE',
  failed: 'BROKEN',
  cancelled: 'STOPPED',
};

/** Acme is the sandbox behind another address, with other words and without metadata. */
const connect: Connect = async ({ sandbox }) => {
  const service = await startService(async (request) => {
    const answer = await forward(`${sandbox.url}${request.path.replace('/tuning/v2', '/v1')}`, request);
    const text = answer?.body
      .replaceAll(/(?<="status":")\w+(?=")/g, (word) => words[word] ?? word)
      .replaceAll(/(?<="metadata":)\{[^}]*\}/g, 'null');
    return answer === null ? null : { ...answer, body: text };
  });
  const values = { ACME_BASE_URL: `${service.url}/tuning/v2`, ACME_KEY: canaryKey };
  return { values, close: async () => await service[Symbol.asyncDispose]() };
};

const different = {
  epochs: toInput({ training: { epochs: 2 } }),
  chats: toInput({ task: 'chat' }),
  preferences: toInput({ task: 'preference' }),
  'another model': toInput({ model: { kind: 'service', name: 'gpt-4.1-2025-04-14' } }),
  'other labels': toInput({}, { facts: { ...facts, labels: ['no', 'other', 'yes'] } }),
};

test.each(contractTests(createTarget({ service: 'openai', config: acme, different, connect })))('$name', async ({ check }) => {
  await expect(check()).resolves.toBeUndefined();
});

test('what the configuration leaves out the provider lacks, and its price is its own', async () => {
  const { training, statusMap } = createOpenAICompatible(acme);
  expect([training.fence, statusMap['DONE']]).toEqual([undefined, 'succeeded']);
  const { request } = training.translate(toInput({ training: { epochs: 1 } }));
  expect(training.bind(request, { trainingFile: 'file-1', validationFile: null }, 'k'.repeat(32), 2)).toEqual({
    model: 'gpt-4.1-mini-2025-04-14',
    hyperparameters: { n_epochs: 1 },
    training_file: 'file-1',
    suffix: `${'k'.repeat(32)}-2`,
  });
});

import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  createOpenAICompatible,
  openaiStatusMap,
  readBearer,
  type JobLabel,
  type OpenAICompatibleConfig,
} from '../../../providers/openai-compatible/index.ts';
import type { Training } from '../../../src/job/job-spec.ts';
import type { Note } from '../../../src/provider/note.ts';
import { parseBaseUrl } from '../../../src/provider-kit/settings.ts';
import { contractTests } from '../../../src/testing/index.ts';
import { testConformance } from '../../testing/test-conformance.ts';
import { createTarget, type Connect } from './conformance-target.ts';
import { canaryKey, createContext, facts, noFiles, toInput } from './fixture.ts';
import { forward, startService } from './service.ts';

const model = 'gpt-4.1-mini-2025-04-14';

/** Jobs carry their run in the suffix: this service has no metadata. */
const suffixLabel: JobLabel = {
  build: ({ key, attempt }) => ({ suffix: `${key}-${attempt}` }),
  query: () => ({}),
  parse({ user_provided_suffix: suffix }) {
    const [key = null, attempt] = typeof suffix === 'string' ? suffix.split('-') : [];
    return { key, attempt: Number(attempt) };
  },
};

/** Acme writes the words of OpenAI in capitals. */
const statusMap = Object.fromEntries(Object.entries(openaiStatusMap).map(([word, phase]) => [word.toUpperCase(), phase]));

/** A fictitious service, in its whole: another address, other words, another place of the parameters, a price, no fence and no options. */
const acme: OpenAICompatibleConfig = {
  id: 'acme',
  name: 'Acme',
  baseUrl: (context) => parseBaseUrl(context.setting('ACME_BASE_URL') ?? 'https://api.acme.example/tuning/v2', 'ACME_BASE_URL'),
  credentials: ['ACME_KEY'],
  auth: readBearer('ACME_KEY', 'keys are made at https://acme.example/keys'),
  statusMap,
  options: z.strictObject({}),
  mapTraining(training: Training, method) {
    const isKnown = Number.isInteger(training.epochs);
    const hyperparameters = isKnown ? { n_epochs: training.epochs } : {};
    const notes = Object.entries(training).map(([name, value]): Note => {
      const field = `training.${name}`;
      return name === 'epochs' && isKnown ? { type: 'sent', field, value } : { type: 'unsupported', field, value, why: 'Acme decides' };
    });
    return { body: method === 'dpo' ? { method: { type: 'dpo', dpo: { hyperparameters } } } : { hyperparameters }, notes };
  },
  find: suffixLabel,
  fence: null,
  prices: { [model]: { supervised: { usd: 2, asOf: '2026-11-01', source: 'acme.example/prices' } } },
};

/** Acme is the sandbox behind another address, with other words and without metadata. */
const connect: Connect = async ({ sandbox }) => {
  const service = await startService(async (request) => {
    const answer = await forward(`${sandbox.url}${request.path.replace('/tuning/v2', '/v1')}`, request);
    const text = answer?.body
      .replaceAll(/(?<="status":")\w+(?=")/g, (word) => (word in openaiStatusMap ? word.toUpperCase() : word))
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

testConformance(contractTests(createTarget({ service: 'openai', config: acme, different, connect })));

test('the provider lacks what its configuration leaves out', async () => {
  const { training } = createOpenAICompatible(acme);
  expect(training.fence).toBeUndefined();
  const { request, notes } = training.translate(toInput({ training: { epochs: 1 } }));
  expect(notes).toEqual([
    { type: 'sent', field: 'training.epochs', value: 1 },
    expect.objectContaining({ type: 'converted', field: 'task' }),
  ]);
  const body = { model, hyperparameters: { n_epochs: 1 }, training_file: 'file-1', suffix: `${'k'.repeat(32)}-2` };
  expect(training.bind(request, noFiles, 'k'.repeat(32), 2)).toEqual(body);
  expect(await training.quote!(request, createContext('http://none'))).toMatchObject({ source: 'acme.example/prices', asOf: '2026-11-01' });
});

import { describe, expect, test } from 'vitest';
import { contractTests } from '../../../src/testing/contract.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { createTarget } from './conformance-target.ts';
import { facts, services, toInput } from './fixture.ts';

const different: Readonly<Record<string, TranslationInput>> = {
  epochs: toInput({ training: { epochs: 2 } }),
  'another batch': toInput({ training: { batchSize: 2 } }),
  'another multiplier': toInput({ training: { learningRate: { multiplier: 2 } } }),
  'another seed': toInput({ training: { seed: 2 } }),
  'another suffix': toInput({ options: { suffix: 'other' } }),
  'a prompt': toInput({ prompt: { system: 'Sort it.' } }),
  chats: toInput({ task: 'chat' }),
  preferences: toInput({ task: 'preference' }),
  'a raw field': toInput({ native: { integrations: [] } }),
  metadata: toInput({ native: { metadata: { team: 'search' } } }),
  'another model': toInput({ model: { kind: 'service', name: 'gpt-4.1-2025-04-14' } }),
  'other labels': toInput({}, { facts: { ...facts, labels: ['no', 'other', 'yes'] } }),
};
const ofAzure = { 'another tier': toInput({ options: { trainingType: 'developerTier' } }) };

describe.each(services)('%s', (service) => {
  const tests = contractTests(createTarget({ service, different: service === 'azure' ? { ...different, ...ofAzure } : different }));

  test.each(tests)('$name', async ({ check }) => {
    await expect(check()).resolves.toBeUndefined();
  });
});

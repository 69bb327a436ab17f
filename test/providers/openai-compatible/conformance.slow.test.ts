import { describe } from 'vitest';
import { contractTests } from '../../../src/testing/index.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { testConformance } from '../../testing/test-conformance.ts';
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
  testConformance(contractTests(createTarget({ service, different: service === 'azure' ? { ...different, ...ofAzure } : different })));
});

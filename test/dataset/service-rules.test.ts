import { expect, test } from 'vitest';
import type { PartFacts } from '../../src/dataset/tally.ts';
import { checkForService } from '../../src/dataset/service-rules.ts';

const part: PartFacts = { sources: [], sha256: '', rows: 20, labels: {}, longestCharacters: 9, duplicates: 0 };

test.each<[string, Partial<PartFacts>, string]>([
  ['openai', { rows: 9 }, 'openai: needs at least 10 training rows, and gets 9'],
  ['openai', { sources: [{ path: '/rows.jsonl', sha256: '', bytes: 6e8 }] }, 'openai: takes files of at most'],
  ['azure', { traits: { tooManyImages: 2 } }, 'azure: a conversation has at most 64 images (2 training rows)'],
  ['together', { traits: { answersWithoutCall: 1 } }, 'together: messages of the role "tool" need the "tool_call_id"'],
])('%s refuses %j', (service, change, message) => {
  expect(() => checkForService(service, 'chat', { train: { ...part, ...change }, validation: null })).toThrow(message);
});

test('what a service takes, and services without rules, are no failure', () => {
  const train = { ...part, traits: { weights: 3, images: 1, objectArguments: 2 } };
  for (const id of ['openai', 'azure', 'together', 'huggingface', 'endpoint', 'local']) {
    expect(() => checkForService(id, 'chat', { train, validation: null })).not.toThrow();
  }
  expect(() => checkForService('together', 'chat', { train: { ...part, rows: 1 }, validation: null })).not.toThrow();
});

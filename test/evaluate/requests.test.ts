import { expect, test } from 'vitest';
import type { EndpointModel, FolderModel } from '../../src/provider/model.ts';
import type { PromptSettings } from '../../src/evaluate/models.ts';
import { buildRequest, type InputRow } from '../../src/evaluate/requests.ts';

const folder: FolderModel = { kind: 'folder', identity: 'a', path: '/a', labels: ['no', 'yes'], seed: 1, maxLength: 64 };
const endpoint: EndpointModel = { kind: 'endpoint', identity: 'ft:a', location: 'https://api.example', name: 'ft:a', base: 'a' };
const settings: PromptSettings = {
  task: 'classification',
  prompt: null,
  labels: ['no', 'yes'],
  generation: { maxTokens: 5 },
  concurrency: 8,
};
const row: InputRow = { text: 'hello' };
const chat: InputRow = {
  messages: [
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'hi' },
  ],
};

test('a classifier on this machine reads the texts', () => {
  expect(buildRequest({ model: folder, settings }, { text: 'a', text2: 'b' })).toMatchObject({ text: 'a', text2: 'b' });
  expect(buildRequest({ model: folder, settings }, row)).toEqual({
    // Answers that were stored before stay valid: {"labels":["no","yes"],"maxLength":64,"model":"a","text":"hello","text2":null}
    id: 'e31b51c9446c1386f2b4af8d36032d54976297d1819bc138061a0d7a555865f2',
    text: 'hello',
  });
});

test('every other model reads messages, without the answer', () => {
  expect(buildRequest({ model: endpoint, settings }, row)).toMatchObject({
    messages: [{ role: 'system' }, { role: 'user', content: 'hello' }],
  });
  const request = buildRequest({ model: endpoint, settings }, { ...chat, tools: [{ type: 'function' }], parallel_tool_calls: false });
  expect(request).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    messages: [{ role: 'user', content: 'hello' }],
    tools: [{ type: 'function' }],
  });
});

const one = { model: endpoint, settings, row };

test.each<[string, typeof one]>([
  ['the model', { ...one, model: { ...endpoint, identity: 'ft:b' } }],
  ['the place', { ...one, model: { ...endpoint, location: 'https://other.example' } }],
  ['the system message', { ...one, settings: { ...settings, prompt: { system: 'Be brief.' } } }],
  ['the template', { ...one, settings: { ...settings, prompt: { template: 'Text: {text}' } } }],
  ['the labels', { ...one, settings: { ...settings, labels: ['no', 'yes', 'perhaps'] } }],
  ['the temperature', { ...one, settings: { ...settings, generation: { maxTokens: 5, temperature: 0 } } }],
  ['the length', { ...one, settings: { ...settings, generation: { maxTokens: 6 } } }],
  ['the schema', { ...one, settings: { ...settings, generation: { maxTokens: 5, schema: { type: 'object' } } } }],
  ['the seed', { ...one, settings: { ...settings, generation: { maxTokens: 5, seed: 0 } } }],
  ['the text', { ...one, row: { text: 'hello ' } }],
  ['the second text', { ...one, row: { text: 'hello', text2: '' } }],
])('%s changes the key', (_, other) => {
  expect(buildRequest(other, other.row).id).not.toBe(buildRequest(one, row).id);
});

test('tools change the key', () => {
  expect(buildRequest(one, { ...chat, tools: [] }).id).not.toBe(buildRequest(one, chat).id);
});

test.each<[string, typeof one]>([
  ['how many are asked at once', { ...one, settings: { ...settings, concurrency: 1 } }],
  ['a prompt that says what is said anyway', { ...one, settings: { ...settings, prompt: { template: '{text}' } } }],
])('%s does not change the key', (_, other) => {
  expect(buildRequest(other, other.row).id).toBe(buildRequest(one, row).id);
});

test.each<[string, Partial<FolderModel>]>([
  ['the model', { identity: 'b' }],
  ['the labels', { labels: ['yes', 'no'] }],
  ['the longest text', { maxLength: 32 }],
])('%s changes the key of a classifier', (_, change) => {
  expect(buildRequest({ model: { ...folder, ...change }, settings }, row).id).not.toBe(buildRequest({ model: folder, settings }, row).id);
});

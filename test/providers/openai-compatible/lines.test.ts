/** Whatever a check of data accepts becomes lines that the published schemas of the service accept. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toLine } from '../../../providers/openai-compatible/lines.ts';
import { isFailure } from '../../../src/errors.ts';
import { readTaskRows } from '../../../src/dataset/task-rows.ts';
import type { ChatMessage, Row } from '../../../src/dataset/row.ts';
import { files } from '../../dataset/oracle/files.ts';
import { createScratchFolder } from '../../scratch.ts';

/** The last published schemas of lines, put together from the messages that the document still has. */
function createCheck(): (line: object) => string | null {
  const document = JSON.parse(readFileSync(new URL('../../../fixtures/openapi/openai.json', import.meta.url), 'utf8')) as object;
  const ref = (name: string): object => ({ $ref: `api#/components/schemas/${name}` });
  const assistant = { allOf: [{ type: 'object', properties: { weight: { enum: [0, 1] } } }, ref('ChatCompletionRequestAssistantMessage')] };
  const others = ['System', 'User', 'Tool'].map((role) => ref(`ChatCompletionRequest${role}Message`));
  const conversation = {
    type: 'object',
    required: ['messages'],
    properties: {
      messages: { type: 'array', minItems: 1, items: { oneOf: [...others, assistant] } },
      tools: { type: 'array', items: ref('ChatCompletionTool') },
      parallel_tool_calls: ref('ParallelToolCalls'),
    },
  };
  const end = { type: 'array', minItems: 1, items: { oneOf: [...others, assistant] } };
  const pair = {
    type: 'object',
    required: ['input', 'preferred_output', 'non_preferred_output'],
    properties: { input: conversation, preferred_output: end, non_preferred_output: end },
  };
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ ...document, $id: 'api' });
  const [ofChat, ofPair] = [ajv.compile(conversation), ajv.compile(pair)];
  return (line) => {
    const validate = 'messages' in line ? ofChat : ofPair;
    return validate(JSON.parse(JSON.stringify(line))) ? null : ajv.errorsText(validate.errors);
  };
}

const check = createCheck();
const toText = (row: Row): object => toLine(row, { prompt: null, labels: [] });

test('rows of chats and preferences that are accepted become lines that the schemas accept', async () => {
  const folder = createScratchFolder();
  let rows = 0;
  const property = fc.asyncProperty(files, async ({ name, content, task, columns }) => {
    if (task !== 'chat' && task !== 'preference') return;
    const path = join(folder, name);
    writeFileSync(path, content);
    try {
      for await (const row of readTaskRows([path], { task, columns }, { onBadRow: () => {} })) {
        rows++;
        expect(check(toText(row)), JSON.stringify(row)).toBeNull();
      }
    } catch (error) {
      if (!isFailure(error, 'data-invalid')) throw error; // the file as a whole is refused
    }
  });
  await fc.assert(property, { numRuns: 900, seed: 7 });
  expect(rows).toBeGreaterThan(500);
});

const row = (messages: readonly ChatMessage[], rest: object = {}): Row => ({ messages, ...rest });
const answer = { role: 'assistant', content: 'a' };

test.each<[what: string, row: Row, messages: readonly object[]]>([
  [
    'calls without identifiers, and their answers',
    row([
      { role: 'user', content: 'q', name: null },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }, { id: 'x', function: { name: 'g', arguments: '' } }],
      },
      { role: 'tool', content: '1' },
      { role: 'tool', content: '2' },
      answer,
    ]),
    [
      { role: 'user', content: 'q' },
      {
        role: 'assistant',
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          { id: 'x', type: 'function', function: { name: 'g', arguments: '' } },
        ],
      },
      { role: 'tool', content: '1', tool_call_id: 'call_1' },
      { role: 'tool', content: '2', tool_call_id: 'x' },
      answer,
    ],
  ],
  [
    'a developer',
    row([{ role: 'developer', content: 'd' }, { role: 'user', content: 'q' }, answer]),
    [{ role: 'system', content: 'd' }, { role: 'user', content: 'q' }, answer],
  ],
])('%s: written as the service has them', (_, given, messages) => {
  expect(toText(given)).toEqual({ messages });
  expect(check(toText(given))).toBeNull();
});

test('tools that are functions alone get their type', () => {
  const line = toText(
    row([{ role: 'user', content: 'q' }, answer], { tools: [{ name: 'f' }, { type: 'function', function: { name: 'g' } }] }),
  );
  expect(line).toMatchObject({
    tools: [
      { type: 'function', function: { name: 'f' } },
      { type: 'function', function: { name: 'g' } },
    ],
  });
  expect(check(line)).toBeNull();
});

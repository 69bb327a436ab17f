import { expect, test } from 'vitest';
import type { ReadNote } from '../../src/dataset/findings.ts';
import type { ChatRow, RawRow } from '../../src/dataset/row.ts';
import { parseChatRow, readTaskRows } from '../../src/dataset/task-rows.ts';
import { createDataFolder } from './data-folder.ts';

const user = { role: 'user', content: 'a' };
const answer = { role: 'assistant', content: 'b' };
const called = { name: 'add', arguments: '{"a": 1}' };
const call = { id: 'call_1', type: 'function', function: called };

function parse(row: RawRow['row']): ChatRow {
  return parseChatRow({ line: 7, row }, { messages: 'messages' }, 'x.jsonl');
}

test.each([
  [
    'ShareGPT',
    {
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'gpt', value: 'b' },
      ],
    },
    { messages: [user, answer] },
  ],
  [
    'ShareGPT with tools',
    {
      system: 's',
      tools: '[{"name": "add"}]',
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'function_call', value: '{"name": "add", "arguments": {"a":1}}' },
        { from: 'observation', value: '1' },
        { from: 'gpt', value: 'b' },
      ],
    },
    {
      messages: [
        { role: 'system', content: 's' },
        user,
        { role: 'assistant', content: null, tool_calls: [{ ...call, function: { name: 'add', arguments: '{"a":1}' } }] },
        { role: 'tool', tool_call_id: 'call_1', content: '1' },
        answer,
      ],
      tools: [{ type: 'function', function: { name: 'add' } }],
    },
  ],
  ['messages under the name of ShareGPT', { conversations: [user, answer] }, { messages: [user, answer] }],
  [
    'turns under the name of messages',
    {
      messages: [
        { from: 'user', value: 'a' },
        { from: 'assistant', value: 'b' },
      ],
    },
    { messages: [user, answer] },
  ],
  ['Alpaca', { instruction: 'a', input: '', output: 'b' }, { messages: [user, answer] }],
  [
    'Alpaca with input, system and history',
    { instruction: 'c', input: 'd', output: 'e', system: 's', history: [['a', 'b']] },
    {
      messages: [{ role: 'system', content: 's' }, user, answer, { role: 'user', content: 'c\n\nd' }, { role: 'assistant', content: 'e' }],
    },
  ],
  ['prompt and completion', { prompt: 'a', completion: 'b' }, { messages: [user, answer] }],
  ['prompt and completion of messages', { prompt: [user], completion: [answer] }, { messages: [user, answer] }],
  [
    'functions',
    {
      messages: [
        user,
        { role: 'assistant', content: null, function_call: called },
        { role: 'function', name: 'add', content: '1' },
        answer,
      ],
      functions: [{ name: 'add' }],
    },
    {
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', name: 'add', content: '1', tool_call_id: 'call_1' },
        answer,
      ],
      tools: [{ type: 'function', function: { name: 'add' } }],
    },
  ],
])('rows of %s become messages', (_, row, expected) => {
  expect(parse(row)).toEqual(expected);
});

test.each([
  [
    {
      conversations: [
        { from: 'alien', value: 'a' },
        { from: 'gpt', value: 'b' },
      ],
    },
    'conversations[0].from: expected human, gpt or system',
  ],
  [
    {
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'function_call', value: 'add' },
      ],
    },
    'conversations[1].value: expected a call',
  ],
  [{ messages: [user, { role: 'function', content: '1' }, answer] }, 'messages[1].role: expected "tool", found "function"'],
])('%j is refused', (row, message) => {
  expect(() => parse(row)).toThrow(`x.jsonl:7: ${message}`);
});

test('the conversion is noted once a file, and a file of two forms is refused with both lines', async () => {
  const write = createDataFolder();
  const shared = JSON.stringify({
    conversations: [
      { from: 'human', value: 'a' },
      { from: 'gpt', value: 'b' },
    ],
  });
  const notes: ReadNote[] = [];
  const path = write('a.jsonl', `${shared}\n${shared}\n`);
  const shape = { task: 'chat', columns: {} } as const;
  expect(await Array.fromAsync(readTaskRows([path], shape, { onNote: (note) => notes.push(note) }))).toHaveLength(2);
  expect(notes).toEqual([
    { code: 'shape-converted', source: path, line: 1, message: 'rows of "conversations" of ShareGPT were converted to messages' },
  ]);
  const mixed = write('b.jsonl', `${shared}\n{"messages":[]}\n`);
  await expect(Array.fromAsync(readTaskRows([mixed], shape))).rejects.toMatchObject({
    finding: 'shape-mixed',
    message: `${mixed}:2: expected "conversations" of ShareGPT, as on line 1, found "messages"`,
  });
});

import { expect, test } from 'vitest';
import type { RowsPlan } from '../../../providers/huggingface/request.ts';
import { toLine } from '../../../providers/huggingface/rows.ts';
import type { Row } from '../../../src/dataset/row.ts';

const [system, first, second] = [
  { role: 'system', content: 'Add.' },
  { role: 'user', content: '1 + 1' },
  { role: 'user', content: '2 + 2' },
];
const [right, wrong] = [
  { role: 'assistant', content: '2' },
  { role: 'assistant', content: '5' },
];
const base: RowsPlan = { format: 'completion', conversion: null, prompt: null, labels: [], isPair: false };
const write = (row: Row, plan: Partial<RowsPlan> = {}): unknown => JSON.parse(JSON.stringify(toLine(row, { ...base, ...plan })));

test('the completion is the last answer that counts; what follows it is left out, and no weight is written', () => {
  const answered = [system, first, { ...right, weight: 1 }];
  expect(write({ messages: answered })).toEqual({ prompt: [system, first], completion: [right] });
  expect(write({ messages: [...answered, second, { ...wrong, weight: 0 }] })).toEqual({ prompt: [system, first], completion: [right] });
  expect(write({ messages: [first, { ...wrong, weight: 0 }, second, right] })).toEqual({
    prompt: [first, wrong, second],
    completion: [right],
  });
});

test('a conversation as it is has all its messages, without weights, and its tools as text', () => {
  const messages = [first, right, second, { ...wrong, weight: 0 }];
  const tools = [{ type: 'function', function: { name: 'add' } }];
  expect(write({ messages, tools }, { format: 'messages' })).toEqual({
    messages: [first, right, second, wrong],
    tools: JSON.stringify(tools),
  });
});

test('rows with labels are as they are, or conversations', () => {
  const row = { text: 'Fine.', label: 'positive' };
  expect(write(row, { format: 'labels' })).toEqual(row);
  expect(write(row, { format: 'labels', isPair: true })).toEqual({ ...row, text2: '' });
  expect(write(row, { labels: ['negative', 'positive'] })).toMatchObject({ completion: [{ role: 'assistant', content: 'positive' }] });
});

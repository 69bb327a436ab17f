import { expect, test } from 'vitest';
import { parsePreferenceRow, type PreferenceColumns } from '../../src/dataset/preference-row.ts';

const defaults = { chosen: 'chosen', rejected: 'rejected' };

function parse(row: object, columns: PreferenceColumns = defaults): unknown {
  return parsePreferenceRow({ line: 7, row: JSON.parse(JSON.stringify(row)) as Record<string, unknown> }, columns, 'x.jsonl');
}

const system = { role: 'system', content: 's' };
const user = (content: string): object => ({ role: 'user', content });
const answer = (content: string): object => ({ role: 'assistant', content });
const expected = { prompt: [user('q')], chosen: [answer('a')], rejected: [answer('b')] };

test.each([
  ['texts', { prompt: 'q', chosen: 'a', rejected: 'b' }],
  ['a list and texts', { ...expected, chosen: 'a', rejected: 'b' }],
  ['lists', expected],
  ['a text and lists', { ...expected, prompt: 'q' }],
  ['no prompt, and lists that begin with it', { chosen: [user('q'), answer('a')], rejected: [user('q'), answer('b')] }],
  ['a prompt, and lists that repeat it', { prompt: [user('q')], chosen: [user('q'), answer('a')], rejected: [user('q'), answer('b')] }],
  ['a text, and lists that begin with it', { prompt: 'q', chosen: [user('q'), answer('a')], rejected: [user('q'), answer('b')] }],
  ["OpenAI's own columns", { input: { messages: [user('q')] }, preferred_output: [answer('a')], non_preferred_output: [answer('b')] }],
])('a row of %s', (_, row) => {
  expect(parse(row)).toEqual(expected);
  expect(parse({ ...row, id: 1 })).toEqual(expected);
});

test('columns of other names', () => {
  const columns = { prompt: 'question', chosen: 'good', rejected: 'bad' };
  expect(parse({ question: 'q', good: 'a', bad: 'b', prompt: 'p' }, columns)).toEqual(expected);
  expect(parse({ prompt: 'q', good: 'a', bad: 'b' }, { chosen: 'good', rejected: 'bad' })).toEqual(expected);
  expect(() => parse({ prompt: 'q', good: 'a', bad: 'b' }, columns)).toThrow('x.jsonl:7: expected a column "question"');
  const own = { input: { messages: [user('q')] }, preferred_output: [answer('a')], non_preferred_output: [answer('b')] };
  expect(() => parse(own, columns)).toThrow('x.jsonl:7: expected a column "question"');
  expect(() => parse(own, { ...defaults, rejected: 'bad' })).toThrow('x.jsonl:7: expected a column "chosen"');
});

test('the prompt of several turns ends where the assistant speaks differently', () => {
  const turns = [system, user('q'), answer('x'), user('r')];
  const later = [answer('x'), user('r')];
  const row = { chosen: [...turns, answer('a')], rejected: [...turns, answer('b')] };
  expect(parse(row)).toEqual({ ...expected, prompt: turns });
  expect(parse({ ...row, prompt: 'r' })).toEqual({ ...expected, prompt: turns });
  // A prompt that is written out is the prompt, however much more the ends have in common.
  expect(parse({ ...row, prompt: [system, user('q')] })).toEqual({
    prompt: [system, user('q')],
    chosen: [...later, answer('a')],
    rejected: [...later, answer('b')],
  });
  expect(parse({ prompt: [user('q')], chosen: [...later, answer('a')], rejected: [...later, answer('b')] })).toMatchObject({
    prompt: [user('q')],
    chosen: { length: 3 },
  });
});

test('an end may be longer than the other, also by what the assistant said before', () => {
  expect(parse({ chosen: [user('q'), answer('a')], rejected: [user('q'), answer('a'), user('r'), answer('b')] })).toEqual({
    prompt: [user('q')],
    chosen: [answer('a')],
    rejected: [answer('a'), user('r'), answer('b')],
  });
});

test('results of tools that differ belong to the ends, with the call before them', () => {
  const call = { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] };
  const result = (content: string): object => ({ role: 'tool', tool_call_id: 'c', content });
  const [chosen, rejected] = ['a', 'b'].map((text) => [user('q'), call, result(text), answer(text)]);
  expect(parse({ chosen, rejected })).toEqual({ prompt: [user('q')], chosen: chosen!.slice(1), rejected: rejected!.slice(1) });
});

test('tools are beside the columns, or in the input', () => {
  const tools = { tools: [{ type: 'function', function: { name: 'f' } }], parallel_tool_calls: true };
  expect(parse({ ...expected, ...tools })).toEqual({ ...expected, ...tools });
  const outputs = { preferred_output: expected.chosen, non_preferred_output: expected.rejected };
  expect(parse({ input: { messages: expected.prompt, ...tools }, ...outputs })).toEqual({ ...expected, ...tools });
});

const outputs = { preferred_output: [answer('a')], non_preferred_output: [answer('b')] };
test.each([
  [{}, 'expected a column "chosen", found no columns'],
  [{ prompt: 'q', chosen: 'a' }, 'expected a column "rejected"'],
  [
    { chosen: 'q: a', rejected: 'q: b' },
    'expected a column "prompt", or columns "chosen" and "rejected" that begin with it, found neither',
  ],
  [{ chosen: [user('q'), answer('a')], rejected: [user('r'), answer('b')] }, 'expected a column "prompt", or columns'],
  [{ chosen: [system, user('q'), answer('a')], rejected: [system, user('r'), answer('b')] }, 'expected a column "prompt", or columns'],
  [{ prompt: 'q', chosen: ' ', rejected: 'b' }, 'column "chosen" is blank'],
  [{ prompt: '', chosen: 'a', rejected: 'b' }, 'column "prompt" is blank'],
  [{ prompt: [], chosen: 'a', rejected: 'b' }, 'prompt: expected messages, found an empty list'],
  [{ prompt: null, chosen: 'a', rejected: 'b' }, 'expected a string or a list of messages in column "prompt", found null'],
  [{ prompt: 'q', chosen: answer('a'), rejected: 'b' }, 'expected a string or a list of messages in column "chosen", found an object'],
  [{ prompt: 'q', chosen: 'a', rejected: 'a' }, 'expected a better and a worse answer, found the same in "chosen" and "rejected"'],
  [{ ...expected, rejected: expected.chosen }, 'expected a better and a worse answer, found the same'],
  [
    { ...expected, rejected: [{ role: 'nobody' }] },
    'rejected[0].role: expected system, developer, user, assistant or tool, found "nobody"',
  ],
  [{ ...expected, chosen: [answer('a'), user('q')] }, `chosen: expected the last message to be the assistant's, found "user"`],
  [
    { ...expected, rejected: [user('q'), answer('a')] },
    `rejected: expected the first message after the prompt to be the assistant's, found "user"`,
  ],
  [
    { prompt: 'other', chosen: [user('q'), answer('a')], rejected: [user('q'), answer('b')] },
    `chosen: expected the first message after the prompt to be the assistant's, found "user"`,
  ],
  [{ ...expected, functions: [] }, 'expected "tools", found "functions", its old name'],
  [{ preferred_output: [answer('a')] }, 'expected a column "input", found "preferred_output"'],
  [{ input: 'q', ...outputs }, 'expected an object in column "input", found "q"'],
  [{ input: {}, ...outputs }, 'input.messages: expected a list of messages, found nothing'],
  [{ input: { messages: [user('q')] }, ...outputs, preferred_output: 'a' }, 'preferred_output: expected a list of messages, found "a"'],
  [
    { input: { messages: [user('q')] }, ...outputs, non_preferred_output: [user('r')] },
    `non_preferred_output: expected the first message after the prompt to be the assistant's, found "user"`,
  ],
  [{ input: { messages: [user('q')], tools: 3 }, ...outputs }, 'input: expected a list of objects in "tools", found 3'],
])('%j is refused', (row, message) => {
  expect(() => parse(row)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(`x.jsonl:7: ${message}`) }),
  );
});

import { expect, test } from 'vitest';
import { parseChatRow } from '../../src/dataset/map-chat-row.ts';

const user = { role: 'user', content: 'a' };
const answer = { role: 'assistant', content: 'b' };
const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };

function parse(row: object, column = 'messages'): unknown {
  return parseChatRow({ line: 7, row: JSON.parse(JSON.stringify(row)) as Record<string, unknown> }, { messages: column }, 'x.jsonl');
}

test.each([
  ['no system message', [user, answer]],
  ['a system message that is empty', [{ role: 'system', content: '' }, user, answer]],
  ['several turns', [{ role: 'developer', content: 's' }, user, { ...answer, weight: 0 }, user, { ...answer, weight: 1 }]],
  [
    'calls of tools',
    [user, { role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: 'c', content: '' }, answer],
  ],
  ['a call as the answer', [user, { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: { a: [1] } } }] }]],
  ['an empty answer beside a call', [user, { role: 'assistant', content: '', tool_calls: [call] }]],
  [
    'parts',
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: '' },
          { type: 'image_url', image_url: { url: 'data:' } },
        ],
      },
      answer,
    ],
  ],
  [
    'fields of any name',
    [
      { ...user, name: 'n', cache: { deep: [null, 1.5] } },
      { ...answer, tool_calls: null, function_call: null },
    ],
  ],
])('a conversation with %s comes back whole', (_, messages) => {
  expect(parse({ messages, id: 3 })).toEqual({ messages });
});

test('tools and parallel_tool_calls stay, null is absent, and the column may have any name', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const rest = { tools, parallel_tool_calls: false };
  expect(parse({ chat: [user, answer], ...rest }, 'chat')).toEqual({ messages: [user, answer], ...rest });
  expect(parse({ messages: [user, answer], tools: null, parallel_tool_calls: null, functions: null })).toEqual({
    messages: [user, answer],
  });
});

const only = (message: unknown): object => ({ messages: [user, message, answer] });
test.each([
  [{ mesages: [] }, ': expected a column "messages", found "mesages"; did you mean "mesages"?'],
  [{ messages: 'a' }, ': messages: expected a list of messages, found "a"'],
  [{ messages: [] }, ': messages: expected messages, found an empty list'],
  [only(null), ': messages[1]: expected a message, found null'],
  [only([user]), ': messages[1]: expected a message, found a list'],
  [only({ from: 'human', value: 'a' }), ': messages[1].role: expected system, developer, user, assistant or tool, found undefined'],
  [only({ ...user, role: 'human' }), ': messages[1].role: expected system, developer, user, assistant or tool, found "human"'],
  [only({ ...user, role: ['user'] }), ': messages[1].role: expected system, developer, user, assistant or tool, found a list'],
  [only({ ...user, role: 'function' }), ': messages[1].role: expected "tool", found "function", its old word'],
  [only({ ...answer, function_call: {} }), ': messages[1].function_call: expected "tool_calls", found its old word'],
  [only({ role: 'user' }), ': messages[1].content: expected a string or a list of parts, found undefined'],
  [only({ role: 'user', content: null }), ': messages[1].content: expected a string or a list of parts, found null'],
  [only({ role: 'assistant', content: null }), ': messages[1].content: expected a string or a list of parts, found null'],
  [only({ role: 'assistant', content: ' \n' }), ': messages[1].content: expected an answer, found none'],
  [only({ role: 'user', content: [] }), ': messages[1].content: expected a string or a list of parts, found an empty list'],
  [only({ role: 'user', content: ['a'] }), ': messages[1].content[0]: expected a part with a "type", found "a"'],
  [only({ role: 'user', content: [{ type: 'text' }] }), ': messages[1].content[0].text: expected a string, found undefined'],
  [only({ ...answer, weight: 0.5 }), ': messages[1].weight: expected 0 or 1, found 0.5'],
  [only({ ...answer, weight: true }), ': messages[1].weight: expected 0 or 1, found true'],
  [only({ ...answer, weight: null }), ': messages[1].weight: expected 0 or 1, found null'],
  [
    only({ ...user, tool_calls: [call] }),
    ': messages[1].tool_calls: expected on assistant messages only, found on a message of role "user"',
  ],
  [only({ ...answer, tool_calls: [] }), ': messages[1].tool_calls: expected a list of calls, found an empty list'],
  [only({ ...answer, tool_calls: call }), ': messages[1].tool_calls: expected a list of calls, found an object'],
  [
    only({ ...answer, tool_calls: [{ name: 'f' }] }),
    ': messages[1].tool_calls[0]: expected a call {"id", "type", "function"}, found an object',
  ],
  [
    only({ ...answer, tool_calls: [call, { function: {} }] }),
    ': messages[1].tool_calls[1].function.name: expected a name, found undefined',
  ],
  [
    only({ ...answer, tool_calls: [{ function: { name: 'f' } }] }),
    ': messages[1].tool_calls[0].function.arguments: expected JSON in a string, found undefined',
  ],
  [only({ ...user, content: 'a\ud800' }), ': messages[1].content: expected text, found half of a surrogate pair'],
  [{ messages: [user] }, `: messages[0].role: expected the last message to be the assistant's, found "user"`],
  [{ messages: [user, answer, { role: 'tool', content: 'r' }] }, `: messages[2].role: expected the last message to be the assistant's`],
  [{ messages: [answer] }, ': messages: expected a message before the answer, found none'],
  [{ messages: [user, { ...answer, weight: 0 }] }, ': messages: expected an assistant message to learn, found only such of weight 0'],
  [{ messages: [user, answer], functions: [] }, ': expected "tools", found "functions", its old word'],
  [{ messages: [user, answer], tools: '[]' }, ': expected a list of objects in "tools", found "[]"'],
  [{ messages: [user, answer], tools: ['f'] }, ': expected a list of objects in "tools", found other items'],
  [{ messages: [user, answer], tools: [{ name: '\udc00' }] }, ': tools[0].name: expected text, found half of a surrogate pair'],
  [{ messages: [user, answer], parallel_tool_calls: 'no' }, ': expected true or false in "parallel_tool_calls", found "no"'],
])('%j is refused', (row, message) => {
  expect(() => parse(row)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(`x.jsonl:7${message}`) }),
  );
});

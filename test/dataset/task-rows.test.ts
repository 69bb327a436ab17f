import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFailure, type Failure } from '../../src/errors.ts';
import { parseRowTask, type LocatedRow, type RowTask } from '../../src/dataset/row.ts';
import { hashRow, hashText } from '../../src/dataset/split.ts';
import { countCharacters } from '../../src/dataset/row-traits.ts';
import { parseChatRow, parseClassificationRow, readTaskRows, type RowShape } from '../../src/dataset/task-rows.ts';
import { createDataFolder } from './data-folder.ts';

async function read(path: string, shape: RowShape): Promise<LocatedRow[]> {
  return Array.fromAsync(readTaskRows([path], shape));
}

const chat = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}';

test('rows of every task with their place; columns that the job does not name are called as we do', async () => {
  const write = createDataFolder();
  const chats = write('c.jsonl', `\n${chat}\n`);
  expect(await read(chats, { task: 'chat', columns: {} })).toEqual([{ ...(JSON.parse(chat) as object), source: chats, line: 2 }]);
  const pairs = write('p.tsv', 'prompt\tworse\tchosen\nq\tb\ta\n');
  const expected = { prompt: [{ role: 'user', content: 'q' }], chosen: [{ role: 'assistant', content: 'a' }], source: pairs, line: 2 };
  expect(await read(pairs, { task: 'preference', columns: { rejected: 'worse' } })).toEqual([
    { ...expected, rejected: [{ role: 'assistant', content: 'b' }] },
  ]);
  const texts = write('t.csv', 'text,class\na,b\n');
  expect(await read(texts, { task: 'classification', columns: { label: 'class' } })).toEqual([
    { text: 'a', label: 'b', source: texts, line: 2 },
  ]);
});

test('a table without the columns is refused once, and a conversation in a table by its row', async () => {
  const write = createDataFolder();
  const bad: Failure[] = [];
  const options = { onBadRow: (failure: Failure) => void bad.push(failure) };
  const path = write('a.csv', 'prompt,chosen\nq,a\nq,a\n');
  const absent = Array.fromAsync(readTaskRows([path], { task: 'preference', columns: {} }, options));
  await expect(absent).rejects.toThrow(`${path}: expected a column "rejected"`);
  const chats = write('b.csv', 'messages\nx\ny\n');
  expect(await Array.fromAsync(readTaskRows([chats], { task: 'chat', columns: {} }, options))).toEqual([]);
  expect(bad.map(({ message }) => message)).toEqual([
    `${chats}:2: messages: expected a list of messages, found "x"`,
    `${chats}:3: messages: expected a list of messages, found "y"`,
  ]);
});

test.each([
  ['chat', 'fixtures/chat/train.jsonl', 26],
  ['chat', 'fixtures/chat/test.jsonl', 24],
  ['preference', 'fixtures/preference/train.jsonl', 24],
  ['preference', 'fixtures/preference/test.jsonl', 24],
] as const)('the %s rows of %s are all read', async (task, path, count) => {
  expect(await read(path, { task, columns: {} })).toHaveLength(count);
});

test('a task is one whose rows can be read', () => {
  expect((['classification', 'regression', 'chat', 'preference'] satisfies RowTask[]).map(parseRowTask)).toHaveLength(4);
  for (const task of ['text', 'toString', '']) {
    const message = `task: expected "classification", "regression", "chat" or "preference", which this version can train, found "${task}"`;
    expect(() => parseRowTask(task)).toThrow(expect.objectContaining({ code: 'job-file-invalid', message }));
  }
});

const user = { role: 'user', content: [{ type: 'text', text: 'a' }], name: 'n' };
const call = { role: 'assistant', content: null, tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }] };
const answer = { role: 'assistant', content: 'b', weight: 1 };
const rest = { tools: [{ type: 'function', function: { name: 'f' } }], parallel_tool_calls: true };
const wholeRows: readonly Record<string, unknown>[] = [
  { text: 'a', label: 'b' },
  { messages: [user, call, { role: 'tool', content: '' }, answer], ...rest },
  { prompt: 'q', chosen: 'a', rejected: 'b', ...rest },
  { prompt: [user], chosen: [call, user, answer], rejected: [answer] },
  { chosen: [user, answer], rejected: [user, call] },
  { input: { messages: [user], ...rest }, preferred_output: [answer], non_preferred_output: [call] },
];

/** Every object and list of a value, itself first. */
function toInner(value: unknown): object[] {
  return typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(toInner)] : [];
}

/** A row with some of its values, at any depth, put out of order. */
const brokenRow = fc
  .tuple(
    fc.constantFrom(...wholeRows),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(),
        fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom<unknown>(undefined, '\ud800', [], ...wholeRows, answer)),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([whole, changes]) => {
    const row = JSON.parse(JSON.stringify(whole)) as Record<string, unknown>; // a copy in which nothing stands twice
    for (const [i, k, value] of changes) {
      const inner = toInner(row);
      const place = inner[i % inner.length]!;
      const keys = Object.keys(place);
      Object.assign(place, { [keys[k % (keys.length + 1)] ?? 'function_call']: structuredClone(value) });
    }
    return row;
  });

test.each(['classification', 'chat', 'preference'] as const)('%s: any JSON is rows that can be hashed, or data-invalid', async (task) => {
  const write = createDataFolder();
  let found = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(brokenRow, { minLength: 1, maxLength: 30 }), async (rows) => {
      const path = write('a.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      const failures: Failure[] = [];
      const taken = await Array.fromAsync(readTaskRows([path], { task, columns: {} }, { onBadRow: (failure) => failures.push(failure) }));
      for (const row of taken) expect([hashRow(row).length, hashText(row).length, countCharacters(row) >= 0]).toEqual([32, 32, true]);
      for (const failure of failures) expect(isFailure(failure, 'data-invalid')).toBe(true);
      expect(taken.length + failures.length).toBe(rows.length);
      found += taken.length;
    }),
    { numRuns: 400 },
  );
  expect(found).toBeGreaterThan(20);
});

test('rows whose nesting would exhaust the stack are refused', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const write = createDataFolder();
  const row = (extra: string): string => chat.replace('{"role":"user"', `{"x":${extra},"role":"user"`);
  const path = write('a.jsonl', row(deep));
  await expect(read(path, { task: 'chat', columns: {} })).rejects.toMatchObject({ code: 'data-invalid' });
  const ends = write('b.jsonl', `{"prompt":"q","chosen":[{"role":"assistant","content":"a","x":${deep}}],"rejected":"b"}`);
  await expect(read(ends, { task: 'preference', columns: {} })).rejects.toMatchObject({ code: 'data-invalid' });
});

describe('a classification row', () => {
  const columns = { text: 'sentence', label: 'class' };

  function parse(json: string, pair = false): unknown {
    const row = JSON.parse(json) as Record<string, unknown>;
    return parseClassificationRow({ line: 7, row }, pair ? { ...columns, text2: 'other' } : columns, 'x.jsonl');
  }

  test('columns come under our names; numbers and booleans are labels by their JSON text', () => {
    expect(parse('{"sentence": " a ", "class": "x", "id": 1}')).toEqual({ text: ' a ', label: 'x' });
    expect(parse('{"sentence": "a", "class": 1, "other": "b"}', true)).toEqual({ text: 'a', text2: 'b', label: '1' });
    for (const none of ['""', 'null']) {
      expect(parse(`{"sentence": "a", "class": 1, "other": ${none}}`, true)).toEqual({ text: 'a', label: '1' });
    }
    expect(parse('{"sentence": "a", "class": 1.50}')).toMatchObject({ label: '1.5' });
    expect(parse('{"sentence": "a", "class": false}')).toMatchObject({ label: 'false' });
    expect(parse('{"sentence": "a", "class": "__proto__"}')).toMatchObject({ label: '__proto__' });
  });

  test.each([
    ['{"sentence": 3, "class": "x"}', 'expected a string in column "sentence", found 3'],
    ['{"sentence": null, "class": "x"}', 'expected a string in column "sentence", found null'],
    ['{"sentence": ["a"], "class": "x"}', 'expected a string in column "sentence", found a list'],
    ['{"sentence": " \\n\\u00a0", "class": "x"}', 'column "sentence" is blank'],
    ['{"sentence": "a\\ud800", "class": "x"}', 'expected text in column "sentence", found half of a surrogate pair'],
    ['{"sentence": "a", "class": ""}', 'column "class" is blank'],
    ['{"sentence": "a", "class": {}}', 'expected a label in column "class", found an object'],
    ['{"sentence": "a", "class": null}', 'expected a label in column "class", found null'],
    ['{"sentence": "a", "class": 9007199254740993}', 'expected a label in column "class", found 9007199254740992'],
    ['{"sentence": "a", "class": 1e999}', 'expected a label in column "class", found Infinity'],
    ['{"sentense": "a", "class": "x"}', 'expected a column "sentence", found "sentense", "class"; did you mean "sentense"?'],
    ['{"text": "a", "class": "x"}', 'expected a column "sentence", found "text", "class"'],
    ['{}', 'expected a column "sentence", found no columns'],
  ])('%s is refused', (json, message) => {
    expect(() => parse(json)).toThrow(
      expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(`x.jsonl:7: ${message}`) }),
    );
  });

  test('what every object inherits is no column, and a pair needs its second text', () => {
    const row = { text: 'a', label: 'x' };
    expect(() => parseClassificationRow({ line: 1, row }, { text: 'constructor', label: 'label' }, 'x')).toThrow(
      'expected a column "constructor"',
    );
    expect(() => parse('{"sentence": "a", "class": "x"}', true)).toThrow('expected a column "other"');
  });

  test('a long value and many columns are cut short', () => {
    const row = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`column ${i}`, 'x']));
    expect(() => parseClassificationRow({ line: 1, row }, columns, 'x')).toThrow(/"column 19" and 30 more$/);
    expect(() => parseClassificationRow({ line: 1, row: { a: 'x', b: Object.freeze({}) } }, { text: 'a', label: 'b' }, 'x')).toThrow(
      'an object',
    );
  });
});

describe('a chat row', () => {
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
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
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
    [only({ from: 'human', value: 'a' }), ': messages[1].role: expected system, developer, user, assistant or tool, found nothing'],
    [only({ ...user, role: 'human' }), ': messages[1].role: expected system, developer, user, assistant or tool, found "human"'],
    [only({ ...user, role: ['user'] }), ': messages[1].role: expected system, developer, user, assistant or tool, found a list'],
    [only({ ...user, role: 'function' }), ': messages[1].role: expected "tool", found "function", its old name'],
    [only({ ...answer, function_call: {} }), ': messages[1].tool_calls[0].function.name: expected a name, found nothing'],
    [only({ role: 'user', content: [{ type: 'input_text', text: 'a' }] }), ': messages[1].content[0].type: expected "text", '],
    [
      only({ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }),
      ', found "input_image", a part of the Responses API: in a chat it is "image_url"',
    ],
    [
      only({ role: 'user', content: [{ type: 'image_url', image_url: 'https://x.org/a.png' }] }),
      ': messages[1].content[0].image_url: expected {"url"',
    ],
    [
      only({ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a.png' } }] }),
      ': messages[1].content[0].image_url.url: expected an address, or data:image/',
    ],
    [
      only({ role: 'system', content: [{ type: 'image_url', image_url: { url: 'https://x.org/a.png' } }] }),
      ': messages[1].content[0].type: expected "image_url" in messages of the user only, found one of the system',
    ],
    [
      only({ role: 'user', content: [{ type: 'refusal', refusal: 'no' }] }),
      ': messages[1].content[0].type: expected "refusal" in messages of the assistant',
    ],
    [only({ role: 'user' }), ': messages[1].content: expected a string or a list of parts, found nothing'],
    [only({ role: 'user', content: null }), ': messages[1].content: expected a string or a list of parts, found null'],
    [only({ role: 'assistant', content: null }), ': messages[1].content: expected a string or a list of parts, found null'],
    [only({ role: 'assistant', content: ' \n' }), ': messages[1].content: expected an answer, found an empty text'],
    [only({ role: 'user', content: [] }), ': messages[1].content: expected a string or a list of parts, found an empty list'],
    [only({ role: 'user', content: ['a'] }), ': messages[1].content[0]: expected a part with a "type", found "a"'],
    [only({ role: 'user', content: [{ type: 'text' }] }), ': messages[1].content[0].text: expected a string, found nothing'],
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
      ': messages[1].tool_calls[1].function.name: expected a name, found nothing',
    ],
    [
      only({ ...answer, tool_calls: [{ function: { name: 'f' } }] }),
      ': messages[1].tool_calls[0].function.arguments: expected JSON in a string, found nothing',
    ],
    [only({ ...user, content: 'a\ud800' }), ': messages[1].content: expected text, found half of a surrogate pair'],
    [{ messages: [user] }, `: messages[0].role: expected the last message to be the assistant's, found "user"`],
    [
      { messages: [user, { role: 'assistant', tool_calls: [call] }, { role: 'tool', content: 'r' }] },
      `: messages[2].role: expected the last message to be the assistant's`,
    ],
    [
      { messages: [user, answer, { role: 'tool', content: 'r' }, answer] },
      ': messages[2]: expected an answer to a call before it, found no open call',
    ],
    [
      {
        messages: [
          user,
          { role: 'assistant', tool_calls: [{ ...call, id: 'a' }] },
          { role: 'tool', tool_call_id: 'b', content: 'r' },
          answer,
        ],
      },
      ': messages[2]: expected an answer to a call before it, found the answer to "b", and open calls "a"',
    ],
    [
      {
        messages: [user, { role: 'assistant', tool_calls: [call] }, { role: 'tool', content: 'r' }, { role: 'tool', content: 'r' }, answer],
      },
      ': messages[3]: expected an answer to a call before it, found no open call',
    ],
    [{ messages: [answer] }, ': messages: expected a message before the answer, found none'],
    [{ messages: [user, { ...answer, weight: 0 }] }, ': messages: expected an assistant message to learn, found only messages of weight 0'],
    [{ messages: [user, answer], tools: '[]' }, ': expected a list of objects in "tools", found "[]"'],
    [{ messages: [user, answer], tools: ['f'] }, ': expected a list of objects in "tools", found other items'],
    [{ messages: [user, answer], tools: [{ name: '\udc00' }] }, ': tools[0].name: expected text, found half of a surrogate pair'],
    [{ messages: [user, answer], parallel_tool_calls: 'no' }, ': expected true or false in "parallel_tool_calls", found "no"'],
  ])('%j is refused', (row, message) => {
    expect(() => parse(row)).toThrow(
      expect.objectContaining({
        code: 'data-invalid',
        message: expect.stringContaining(message.startsWith(':') ? `x.jsonl:7${message}` : message),
      }),
    );
  });
});

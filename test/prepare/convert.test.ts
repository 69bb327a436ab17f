import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { convertRows, type Conversion, type ConvertOptions } from '../../src/prepare/convert.ts';
import { parseOutFormat } from '../../src/prepare/write-rows.ts';
import { createDataFolder } from '../dataset/data-folder.ts';

type Options = Partial<ConvertOptions> & Pick<ConvertOptions, 'to'>;

/** Writes rows as a file, converts it, and gives what it has become. */
async function convert(
  rows: readonly object[] | string,
  options: Options,
  name = 'rows.jsonl',
): Promise<Conversion & { readonly text: string }> {
  const text = typeof rows === 'string' ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const path = createDataFolder()(name, text);
  let written = '';
  const conversion = await convertRows(
    { paths: [path], columns: {}, format: options.to === 'csv' ? 'csv' : 'jsonl', system: null, skipBad: false, ...options },
    async (lines) => {
      for await (const line of lines) written += line;
    },
  );
  return { ...conversion, text: written };
}

function parse(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

/** The rows after a conversion there and back. */
async function turnOver(rows: readonly object[], there: Options, back: Options): Promise<unknown[]> {
  const { text } = await convert(rows, there);
  return parse((await convert(text, back, there.format === 'csv' ? 'rows.csv' : 'rows.jsonl')).text);
}

const user = (content: string): object => ({ role: 'user', content });
const assistant = (content: string): object => ({ role: 'assistant', content });
const system = (content: string): object => ({ role: 'system', content });

const awkward = ['a, "b"', 'two\nlines', 'cr\r\nlf', ' spaces ', '=1+1', 'text', '🙂 \u2028 é', '\\n', '""', "it's\ttabbed;|"];
const classified = awkward.map((text, i) => ({ text, label: i % 2 === 0 ? 'yes, "so"' : 'no' }));
const chats = [
  { messages: [system('Be kind.'), user('Hello'), assistant('Hi'), user('And?'), assistant('So.')] },
  { messages: [user('Hello'), assistant('Hi\nthere')] },
];
const several = [
  { text: 'a', labels: ['no', 'yes, "so"', 'a|b'] },
  { text: 'b\nb', labels: [] },
  { text: 'c', labels: ['[x]'] },
].map(({ text, labels }) => ({ text, labels: labels.sort() }));
const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } };
const withTools = [
  {
    messages: [
      user('What is it?'),
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] },
      { role: 'tool', content: 'It is 1.', tool_call_id: 'call_1' },
      assistant('1'),
    ],
    tools: [tool],
    parallel_tool_calls: false,
  },
];
const pairs = [
  { prompt: [user('a')], chosen: [assistant('b')], rejected: [assistant('c')] },
  { prompt: [system('s'), user('a')], chosen: [assistant('b')], rejected: [assistant('c')] },
];
const plainPairs = [{ prompt: 'a, "b"', chosen: 'b\nb', rejected: 'c' }];

test.each<[name: string, rows: readonly object[], there: Options, back: Options]>([
  ['classification as a table', classified, { to: 'classification', format: 'csv' }, { to: 'classification' }],
  ['classification as a chat', classified, { to: 'chat' }, { to: 'classification' }],
  ['classification as prompt and completion', classified, { to: 'prompt-completion' }, { to: 'classification' }],
  ['classification as a table of prompts', classified, { to: 'prompt-completion', format: 'csv' }, { to: 'classification' }],
  ['classification as alpaca', classified, { to: 'alpaca' }, { to: 'classification' }],
  ['classification as a table of alpaca', classified, { to: 'alpaca', format: 'csv' }, { to: 'classification' }],
  ['rows with several labels as a table', several, { to: 'multi-label', format: 'csv' }, { to: 'multi-label' }],
  ['rows with several labels as a chat', several, { to: 'chat' }, { to: 'multi-label' }],
  ['rows with several labels as a table of prompts', several, { to: 'prompt-completion', format: 'csv' }, { to: 'multi-label' }],
  ['classification as several labels', classified, { to: 'multi-label' }, { to: 'classification' }],
  ['any rows of texts as a table', classified, { to: 'csv', format: 'csv' }, { to: 'jsonl' }],
  ['chats as ShareGPT', chats, { to: 'sharegpt' }, { to: 'chat' }],
  ['chats as alpaca', chats, { to: 'alpaca' }, { to: 'chat' }],
  ['chats as prompt and completion', chats, { to: 'prompt-completion' }, { to: 'chat' }],
  ['chats with tools as ShareGPT', withTools, { to: 'sharegpt' }, { to: 'chat' }],
  ['chats with tools as prompt and completion', withTools, { to: 'prompt-completion' }, { to: 'chat' }],
  ['preference as OpenAI has it', pairs, { to: 'openai-preference' }, { to: 'preference' }],
  ['preference of texts as OpenAI has it', plainPairs, { to: 'openai-preference' }, { to: 'preference' }],
  ['preference of texts as a table', plainPairs, { to: 'preference', format: 'csv' }, { to: 'preference' }],
])('%s and back is the same', async (_, rows, there, back) => {
  expect(await turnOver(rows, there, back)).toEqual(rows);
});

test('forms that others write become messages', async () => {
  const { text } = await convert(
    [
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      },
    ],
    { to: 'chat' },
  );
  expect(parse(text)).toEqual([{ messages: [user('a'), assistant('b')] }]);
  const old = [
    {
      messages: [user('a'), { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } }],
      functions: [{ name: 'f' }],
    },
  ];
  expect(parse((await convert(old, { to: 'chat' })).text)[0]).toMatchObject({
    messages: [user('a'), { tool_calls: [{ function: { name: 'f' } }] }],
    tools: [{ type: 'function', function: { name: 'f' } }],
  });
  const alpaca = [{ instruction: 'Add.', input: '1 1', output: '2' }];
  expect(parse((await convert(alpaca, { to: 'prompt-completion' })).text)).toEqual([{ prompt: 'Add.\n\n1 1', completion: '2' }]);
});

test('a table with columns of other names becomes chats with a system message', async () => {
  const options = { to: 'chat', system: 'Which team?', columns: { text: 'body', label: 'team' } } as const;
  const { text, notes } = await convert('body;team\n"a; b";billing\n', options, 'tickets.csv');
  expect(parse(text)).toEqual([{ messages: [system('Which team?'), user('a; b'), assistant('billing')] }]);
  expect(notes.map(({ code }) => code)).toEqual(['table-delimiter']);
});

test.each(['chat', 'jsonl', 'csv'] as const)('quotes that are text stay, as %s', async (to) => {
  const table = 'text,label\n"so" he said,a\nthe 5" screen,b\n';
  await expect(convert(table, { to }, 't.csv')).rejects.toThrow('text after the closing quote');
  const { text, rows } = await convert(table, { to, quote: 'none' }, 't.csv');
  expect(rows).toBe(2);
  expect(text).toContain(to === 'csv' ? '"""so"" he said",a' : '\\"so\\" he said');
});

test('what has no place in the form is said with its rows', async () => {
  const rows = [
    { text: 'a', label: 'x', id: 7, empty: null },
    { text: 'b', label: 'y', id: 8 },
  ];
  expect((await convert(rows, { to: 'chat' })).losses).toEqual([
    { what: 'the column "id" has no place in the form chat', rows: 2, firstLine: 1 },
  ]);
  const asked = [{ messages: [system('s'), user('a'), assistant('b')] }];
  expect((await convert(asked, { to: 'classification' })).losses).toMatchObject([
    { what: expect.stringContaining('system messages') as string },
  ]);
  expect((await convert(pairs, { to: 'chat' })).losses).toMatchObject([
    { what: expect.stringContaining('worse answers') as string, rows: 2 },
  ]);
  expect((await convert(asked, { to: 'chat', system: 'other' })).losses).toMatchObject([
    { what: expect.stringContaining('of their own') as string },
  ]);
  expect((await convert(asked, { to: 'chat', system: 's' })).losses).toEqual([]);
  expect((await convert(chats, { to: 'prompt-completion' })).losses).toMatchObject([
    { what: expect.stringContaining('earlier answers') as string, rows: 1 },
  ]);
});

test('several labels of a row are one answer, or one label where there is one; else the row is refused', async () => {
  const rows = [
    { text: 'a', text2: 'b', labels: ['y', 'x'] },
    { text: 'c', text2: null, labels: ['x'] },
  ];
  const columns = { text2: 'text2' };
  expect((await convert(rows, { to: 'multi-label', format: 'csv', columns })).text).toBe(
    'text,text2,labels\na,b,"[""x"",""y""]"\nc,,"[""x""]"\n',
  );
  const one = convert(rows.slice(1), { to: 'classification', columns });
  expect(parse((await one).text)).toEqual([{ text: 'c', label: 'x' }]);
  await expect(convert(rows, { to: 'classification', columns })).rejects.toThrow('expected one label, found 2');
  await expect(convert([{ text: 'a', labels: [] }], { to: 'classification' })).rejects.toThrow('expected one label, found none');
  const said = await convert(rows, { to: 'text', columns, skipBad: true });
  expect(said).toMatchObject({ rows: 1, losses: [{ what: 'the labels have no place in texts' }], skipped: [{ rows: 1 }] });
  const answered = (content: string): Promise<unknown> => convert([{ messages: [user('a'), assistant(content)] }], { to: 'multi-label' });
  for (const content of ['x', '["x", 1]', '["x", " "]', '{"x": 1}']) {
    await expect(answered(content)).rejects.toThrow('expected an answer that is a JSON list of labels');
  }
  await expect(convert([{ text: 'a', label: 0.5 }], { to: 'multi-label', task: 'regression' })).rejects.toThrow('found a number');
});

test('all rows of a file have one form: one row with more than texts makes all of them lists of messages', async () => {
  const plain = { messages: [user('a'), assistant('b')] };
  expect(parse((await convert([plain], { to: 'prompt-completion' })).text)).toEqual([{ prompt: 'a', completion: 'b' }]);
  const { text } = await convert([plain, chats[0]!], { to: 'prompt-completion' });
  expect(parse(text)[0]).toEqual({ prompt: [user('a')], completion: [assistant('b')] });
});

const weighted = { messages: [user('a'), { ...assistant('b'), weight: 0 }, user('c'), assistant('d')] };
test.each<[name: string, rows: readonly object[], options: Options, message: string]>([
  [
    'several answers as a label',
    [chats[0]!],
    { to: 'classification' },
    ':1: expected one question and one answer, found the messages system, user',
  ],
  ['calls of tools in alpaca', withTools, { to: 'alpaca' }, 'tools'],
  ['a weight in alpaca', [weighted], { to: 'alpaca' }, 'expected an answer that is learned, found the weight 0'],
  [
    'images as a text',
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a/b.png' } }] }, assistant('b')] }],
    { to: 'classification' },
    'content in parts',
  ],
  ['one answer as a preference', chats, { to: 'preference' }, 'expected a better and a worse answer, found one answer'],
  ['a conversation as a text', chats, { to: 'text' }, 'expected a text, found a conversation'],
  [
    'a role that ShareGPT lacks',
    [{ messages: [{ role: 'developer', content: 's' }, user('a'), assistant('b')] }],
    { to: 'sharegpt' },
    'found "developer"',
  ],
  ['a list in a table', chats, { to: 'csv' }, 'column "messages": expected a text, a number or a boolean, found a list'],
  ['a text of code 0 in a table', [{ text: 'a\0b', label: 'c' }], { to: 'csv' }, 'the character of code 0'],
  ['a row like the header of its table', [{ text: 'text', label: 'label' }], { to: 'csv' }, 'found the names of the columns'],
  ['texts alone as chats', [{ text: 'a' }], { to: 'chat' }, 'expected an answer to learn, found a text alone'],
  ['unknown columns', [{ body: 'a long text here', kind: 'b' }], { to: 'chat' }, 'expected columns of a known form, found "body", "kind"'],
  ['no rows', [], { to: 'chat' }, 'expected rows, found none'],
])('%s is refused with its reason', async (_, rows, options, message) => {
  const failure = await convert(rows, options).catch((error: unknown) => error);
  expect(isFailure(failure, 'data-invalid') && failure.message).toContain(message);
});

test('no row is left out in silence: one that cannot be used refuses all, or is listed where it may be skipped', async () => {
  const rows = [{ text: 'a', label: 'b' }, { text: '', label: 'b' }, { text: 'c' }, { text: 'd', label: 'e' }, { text: ' ', label: 'f' }];
  await expect(convert(rows, { to: 'chat' })).rejects.toThrow('3 rows cannot be used');
  const { rows: count, skipped, text } = await convert(rows, { to: 'chat', skipBad: true });
  expect(count).toBe(2);
  expect(parse(text)).toHaveLength(2);
  expect(skipped.map(({ rows: of, places }) => [of, places.map(({ line }) => line)])).toEqual([
    [2, [2, 5]],
    [1, [3]],
  ]);
});

test('rows that are kept as they are keep all digits of their numbers, and stand on one line', async () => {
  const { text } = await convert(
    '[\n  {"id": 12345678901234567890,\n   "text": "a\\nb"},\n  {"id": 1.0, "text": "c"}\n]',
    { to: 'jsonl' },
    'rows.json',
  );
  expect(text).toBe('{"id": 12345678901234567890, "text": "a\\nb"}\n{"id": 1.0, "text": "c"}\n');
});

test('a table has the columns of all rows, and leaves the absent ones empty', async () => {
  const { text } = await convert([{ a: 1, b: 'x' }, { a: true, c: null }, { c: 'y' }], { to: 'csv' });
  expect(text).toBe('a,b,c\n1,x,\ntrue,,\n,,y\n');
});

test('columns without a name are left out of rows that are kept, and said', async () => {
  const { text, notes } = await convert(',text,label\n0,a,b\n', { to: 'jsonl' }, 'rows.csv');
  expect(text).toBe('{"text":"a","label":"b"}\n');
  expect(notes.map(({ code }) => code)).toEqual(['column-unnamed']);
});

test('a form of lists has no place in a table', async () => {
  await expect(convert(chats, { to: 'chat', format: 'csv' })).rejects.toMatchObject({ code: 'usage' });
  expect(() => parseOutFormat('rows.tsv')).toThrow('ends in .jsonl or .csv');
});

test('the chats of the sample have its texts and labels again', async () => {
  const source = readFileSync(new URL('../../fixtures/sentiment/test.jsonl', import.meta.url), 'utf8');
  const { text } = await convert(source, { to: 'chat', system: 'Classify.' });
  const { text: back } = await convert(text, { to: 'classification' });
  const bare = parse(source).map((row) => ({ text: (row as { text: string }).text, label: (row as { label: string }).label }));
  expect(parse(back)).toEqual(bare);
});

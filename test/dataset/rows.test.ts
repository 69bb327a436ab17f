import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFailure, type Failure } from '../../src/errors.ts';
import { countCharacters } from '../../src/dataset/count-characters.ts';
import { parseRowTask } from '../../src/dataset/parse-row-task.ts';
import { readTaskRows, type RowShape } from '../../src/dataset/rows.ts';
import type { LocatedRow, RowTask } from '../../src/dataset/row.ts';
import { toRowHash, toTextHash } from '../../src/dataset/split.ts';
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
  expect((['classification', 'chat', 'preference'] satisfies RowTask[]).map(parseRowTask)).toHaveLength(3);
  for (const task of ['text', 'toString', '']) {
    const message = `task: expected "classification", "chat" or "preference", which this version can train, found "${task}"`;
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
      for (const row of taken) expect([toRowHash(row).length, toTextHash(row).length, countCharacters(row) >= 0]).toEqual([32, 32, true]);
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

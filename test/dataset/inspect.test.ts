import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type DataFacts, type DatasetSources, inspectDataset } from '../../src/dataset/inspect.ts';
import { formatWarning } from '../../src/dataset/problems.ts';
import { hashDataset } from '../../src/dataset/open-dataset.ts';
import { createDataFolder } from './data-folder.ts';

const columns = { text: 'text', label: 'label' };
const both = 'text,label\ngood,yes\nbad,no\n';
const rare = { type: 'rare-labels', part: 'train', labels: ['no', 'yes'], lines: [3, 2] };

function inspect(sources: Partial<DatasetSources>): Promise<DataFacts> {
  return inspectDataset({ train: [], validation: null, test: {}, columns, ...sources });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

test('facts of several files: hashes, counts, labels, duplicates, texts that are in two parts', async () => {
  const write = createDataFolder();
  const first = '{"text":"good","label":"yes"}\n{"text":"bad","label":"no"}\n{"text":"good","label":"yes"}\n';
  const second = 'text,label\nworse,no\ngood,no\n';
  const train = [write('a.jsonl.gz', gzipSync(first)), write('b.csv', second)];
  const validation = write('v.csv', 'text,label\nnew,yes\n');
  const held = write('t.csv', 'text,label\ngood,no\nfine and dandy,yes\nbad,no\n');
  const facts = await inspect({ train, validation: [validation], test: { main: [held], ['__proto__']: [validation] } });
  expect(facts).toEqual({
    columns,
    train: {
      sources: [
        { path: train[0], sha256: sha256(first), bytes: first.length },
        { path: train[1], sha256: sha256(second), bytes: second.length },
      ],
      sha256: sha256(first + second),
      rows: 5,
      labels: { yes: 2, no: 3 },
      longestCharacters: 5,
      duplicates: 1,
    },
    validation: expect.objectContaining({ rows: 1, sha256: await hashDataset(validation) }),
    test: {
      main: expect.objectContaining({ rows: 3, longestCharacters: 14, duplicates: 0 }),
      ['__proto__']: expect.objectContaining({ rows: 1 }),
    },
    labels: ['no', 'yes'],
    majority: 'no',
    warnings: [
      { type: 'duplicate-rows', part: 'train', rows: 1, example: { source: train[0], line: 3, otherLine: 1 } },
      {
        type: 'contradictory-labels',
        part: 'train',
        rows: 1,
        example: { source: train[1], line: 3, otherSource: train[0], otherLine: 1 },
      },
      { type: 'rare-labels', part: 'train', labels: ['no', 'yes'], lines: [2, 1] },
      { type: 'texts-in-training', part: 'test/main', rows: 2, example: { source: held, line: 2, otherSource: train[0], otherLine: 1 } },
    ],
  });
  expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
});

test.each([
  ['duplicate-rows', 'train', 1, '1 duplicate row in the training data'],
  ['duplicate-rows', 'validation', 2, '2 duplicate rows in the validation data'],
  ['texts-in-training', 'test/test', 1, '1 row of the test data has the same input as a training row: the scores will be too high'],
  [
    'texts-in-training',
    'test/hard',
    2,
    '2 rows of the test data "hard" have the same input as a training row: the scores will be too high',
  ],
  ['contradictory-labels', 'train', 1, '1 row of the training data has the text of another row with another label'],
] as const)('the warning %s about %s, %i rows, as a person reads it', (type, part, rows, text) => {
  expect(formatWarning({ type, part, rows })).toBe(text);
});

test('labels that are alike or rare, and texts with two labels, are warned of', async () => {
  const write = createDataFolder();
  const rows = (label: string, count: number): string => Array.from({ length: count }, (_, i) => `${label} ${i},${label}\n`).join('');
  const few = await inspect({ train: [write('a.csv', 'text,label\na,x\nb,y\nc,z\n')] });
  expect(few.warnings.map(formatWarning)).toEqual([
    'fewer than 5 rows of the training data have the label "x", "y", "z": a model hardly learns it from so few',
  ]);
  const alike = `text,label\n${rows('BILLING', 5)}${rows(' billing', 5)}${rows('e\u0301', 5)}${rows('\u00c9', 5)}${rows('other', 5)}`;
  expect((await inspect({ train: [write('b.csv', alike)] })).warnings).toEqual([
    { type: 'similar-labels', part: 'train', labels: [' billing', 'BILLING'], counts: [5, 5], lines: [7, 2] },
    { type: 'similar-labels', part: 'train', labels: ['e\u0301', '\u00c9'], counts: [5, 5], lines: [12, 17] },
    expect.objectContaining({ code: 'rows-near', rows: 10 }), // the texts differ as the labels do
  ]);
  const twice = `text,label\n${rows('a', 6)}${rows('b', 6)}b 1,a\nb 1,a\n`;
  const sides = await Promise.all(
    [null, { fraction: 0.5 }].map(async (validation) => (await inspect({ train: [write('c.csv', twice)], validation })).warnings),
  );
  for (const warnings of sides) {
    expect(warnings.filter(({ type }) => type === 'contradictory-labels')).toEqual([expect.objectContaining({ rows: 1 })]);
  }
  const held = await inspect({
    train: [write('d.csv', `text,label\n${rows('a', 5)}${rows('b', 5)}`)],
    test: { main: [write('e.csv', twice)] },
  });
  expect(held.warnings).toContainEqual(expect.objectContaining({ type: 'contradictory-labels', part: 'test/main', rows: 1 }));
});

test('texts of the training files are found in validation rows without a test set, and the other way round', async () => {
  const write = createDataFolder();
  const [train, held] = [write('a.csv', both), write('b.csv', 'text,label\ngood,yes\n')];
  const example = { source: held, line: 2, otherSource: train, otherLine: 2 };
  const validated = await inspect({ train: [train], validation: [held] });
  expect(validated.warnings).toEqual([rare, { type: 'texts-in-training', part: 'validation', rows: 1, example }]);
  const tested = await inspect({ train: [train], test: { main: [held] } });
  expect(tested.warnings).toEqual([rare, { type: 'texts-in-training', part: 'test/main', rows: 1, example }]);
});

test('labels sort by code unit, and of the most frequent ones the first is the majority', async () => {
  const path = createDataFolder()('a.csv', 'text,label\n1,b\n2,10\n3,9\n4,Z\n5,9\n6,10\n7,__proto__\n');
  const { labels, majority, train } = await inspect({ train: [path] });
  expect(labels).toEqual(['10', '9', 'Z', '__proto__', 'b']);
  expect(majority).toBe('10');
  expect(Object.entries(train.labels)).toContainEqual(['__proto__', 1]);
});

test('a fraction divides the training rows; more rows move no other row', async () => {
  const write = createDataFolder();
  const rows = Array.from({ length: 400 }, (_, i) => `row ${i},${i % 2}`);
  const path = write('a.csv', `text,label\n${rows.join('\n')}`);
  const { train, validation } = await inspect({ train: [path], validation: { fraction: 0.25 } });
  expect(train.rows + validation!.rows).toBe(400);
  expect(validation!.rows).toBeGreaterThan(70);
  expect(validation!.rows).toBeLessThan(130);
  expect(validation).toMatchObject({ sources: [], sha256: train.sha256 });
  const more = write('b.csv', `text,label\n${rows.map((row) => `more ${row}`).join('\n')}`);
  const [grown, alone] = await Promise.all(
    [[more, path], [more]].map((paths) => inspect({ train: paths, validation: { fraction: 0.25 } })),
  );
  expect(grown!.validation!.rows).toBe(alone!.validation!.rows + validation!.rows);
});

interface Refused {
  readonly train: string;
  readonly test?: string;
  readonly fraction?: number;
  readonly testFraction?: number;
}

test('a fraction holds out rows of each label, equal texts together, and the rest validates and trains', async () => {
  const write = createDataFolder();
  const rows = (label: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${label} ${i},${label}`);
  const common = ['text,label', ...rows('a', 200), ...rows('b', 10), ...rows('b', 10)];
  const path = write('a.csv', common.join('\n'));
  const facts = await inspect({ train: [path], validation: { fraction: 0.25 }, testFraction: 0.2 });
  expect(facts.test).toEqual({ test: expect.objectContaining({ sources: [], rows: 44, labels: { a: 40, b: 4 }, duplicates: 2 }) });
  expect(facts.train.rows + facts.validation!.rows).toBe(220 - 44);
  expect(facts.warnings.map(({ type }) => type)).not.toContain('texts-in-training');
  const other = await inspect({ train: [write('b.csv', [...common, ...rows('c', 2), 'only,d'].join('\n'))], testFraction: 0.5 });
  expect(other.test['test']!.labels).toEqual({ a: 100, b: 10, c: 1 });
  expect(other.train.labels).toMatchObject({ c: 1, d: 1 });
  expect(other.test['test']!.sha256).not.toBe(facts.test['test']!.sha256);
});

test.each([
  ['no rows', { train: 'text,label\n' }, 'expected rows in the training data, found none in '],
  ['an empty file', { train: '' }, 'expected rows in the training data, found none in '],
  ['no held-out rows', { train: both, test: 'text,label\n' }, 'expected rows in the test data "main", found none in '],
  ['one label', { train: 'text,label\na,yes\nb,yes\n' }, 'expected at least two labels in the training rows, found only "yes" in 2 rows'],
  [
    'a label of its own',
    { train: both, test: 'text,label\nx,yes\ny,maybe\nz,maybe\n' },
    'test.csv:3: no training row has the label "maybe" of the test data "main" (2 rows have it)',
  ],
  ['an empty side', { train: both, fraction: 1e-9 }, 'fraction 1e-9: expected rows on both sides, found no validation row in '],
  [
    'nothing to hold out',
    { train: both, testFraction: 0.2 },
    'data.test with the fraction 0.2: expected rows on both sides, found no held-out row in ',
  ],
  ['the other empty side', { train: both, fraction: 1 }, 'found no training row in '],
  ['nothing to divide', { train: 'text,label\n', fraction: 0.1 }, 'expected rows in the training data, found none in '],
  [
    'an absent column',
    { train: 'txt,label\na,b\nc,d\n' },
    'train.csv: expected a column "text", found "txt", "label"; did you mean "txt"?',
  ],
])('%s is refused', async (_, { train, test: held, fraction, testFraction }: Refused, message) => {
  const write = createDataFolder();
  const sources = inspect({
    train: [write('train.csv', train)],
    validation: fraction === undefined ? null : { fraction },
    test: held === undefined ? {} : { main: [write('test.csv', held)] },
    ...(testFraction === undefined ? {} : { testFraction }),
  });
  await expect(sources).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining(message) });
});

test('a label that only the validation side of the split has is refused at its place', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => `row ${i},${i % 2}`);
  const write = createDataFolder();
  const results = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) =>
      inspect({ train: [write(`${i}.csv`, ['text,label', `only ${i},rare`, ...rows].join('\n'))], validation: { fraction: 0.3 } }),
    ),
  );
  const messages = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  expect(messages.length).toBeGreaterThan(2);
  expect(messages.length).toBeLessThan(20);
  for (const message of messages)
    expect(message).toMatch(/\d+\.csv:2: no training row has the label "rare" of the validation data \(1 row has it\)/);
});

test('all wrong rows of all files are reported at once, those of one cause together, up to twenty kinds', async () => {
  const write = createDataFolder();
  const train = write('a.jsonl', `${both}{"text":1,"label":"x"}\n{"text":"a","label":"x"}\n`);
  const held = write('b.jsonl', Array.from({ length: 30 }, (_, i) => `{"text":${i},"label":"x"}\n`).join(''));
  const failure = await inspect({ train: [train], test: { main: [held] } }).catch((error: unknown) => error as Error);
  const lines = (failure as Error).message.split('\n');
  expect(lines[0]).toBe('34 rows cannot be used:');
  expect(lines).toHaveLength(6);
  expect(lines[1]).toContain(`${train}:1: not valid JSON`);
  expect(lines[4]).toContain(`${train}:4: expected a string in column "text", found 1`);
  expect(lines[5]).toContain(`${held}:1: expected a string in column "text", found 0 (and 29 more rows like it: lines 2, 3, 4, …)`);
  const many = await Promise.allSettled(
    [Array.from({ length: 30 }, (_, i) => write(`c${i}.jsonl`, '{"text":1}\n'))].map(async (files) => await inspect({ train: files })),
  );
  const [one] = many.map((result) => (result.status === 'rejected' ? (result.reason as Error).message.split('\n') : []));
  expect(one).toHaveLength(22);
  expect(one!.at(-1)).toBe('  and 10 more');
});

test('many labels for few rows ask for the column, and name those that are swapped', async () => {
  const write = createDataFolder();
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 2 === 0 ? 'good' : 'bad'},the text number ${i}\n`).join('');
  const { warnings } = await inspect({ train: [write('a.csv', `text,label\n${rows}`)] });
  expect(warnings.map(formatWarning)).toEqual([
    '40 labels for 40 rows: is "label" the right column? "text" has only 2 different values: if the two are swapped, set data.columns to {"text": "label", "label": "text"}',
  ]);
  const ids = Array.from({ length: 40 }, (_, i) => `the text number ${i},id ${i}\n`).join('');
  const wrong = await inspect({ train: [write('b.csv', `text,label\n${ids}`)] });
  expect(wrong.warnings.map(formatWarning)).toEqual(['40 labels for 40 rows: is "label" the right column?']);
});

test('labels that are written in two ways: the refusal names the other one', async () => {
  const write = createDataFolder();
  const train = write('a.csv', 'text,label\na,1.0\nb,0.0\n');
  const held = write('b.jsonl', '{"text":"c","label":1}\n');
  await expect(inspect({ train: [train], test: { test: [held] } })).rejects.toMatchObject({
    message: `${held}:1: no training row has the label "1" of the test data (1 row has it); training rows have "1.0"`,
    hint: expect.stringContaining('astype(int)'),
  });
});

test('columns are found whatever their capitals and blanks, with a note; a table without a header is refused', async () => {
  const write = createDataFolder();
  const train = write('a.csv', 'Text , LABEL\na,x\nb,y\n');
  const { warnings } = await inspect({ train: [train], test: { test: [write('b.jsonl', '{"text":"c","Label":"x"}\n')] } });
  expect(warnings.filter(({ type }) => type === 'reading').map(formatWarning)).toEqual([
    'a.csv:1: the column "Text " was taken for "text"',
    'a.csv:1: the column " LABEL" was taken for "label"',
    'b.jsonl:1: the column "Label" was taken for "label"',
  ]);
  const bare = write('c.csv', 'The mug number 0 was superb and arrived.,positive\nSlow.,negative\n');
  await expect(inspect({ train: [bare] })).rejects.toMatchObject({
    message: `${bare}:1: expected the first line to name the columns, "text" and "label" among them, found what looks like a row: "The mug number 0 was superb and arrived.", "positive"`,
    hint: 'Write the line text,label before the rows, in the order of their fields.',
  });
  const other = write('d.csv', 'body,group\na,x\n');
  await expect(inspect({ train: [other] })).rejects.toMatchObject({
    message: `${other}: expected a column "text", found "body", "group"`,
    hint: expect.stringContaining('data.columns'),
  });
});

test('a problem that many rows have is told once, with the first lines and the number of rows', async () => {
  const write = createDataFolder();
  const train = write('a.jsonl', '{"body":"a","label":"x"}\n'.repeat(30));
  const alone = `${train}:1: expected a column "text", found "body", "label" (and 29 more rows like it: lines 2, 3, 4, …)`;
  await expect(inspect({ train: [train] })).rejects.toMatchObject({ message: alone, hint: expect.stringContaining('data.columns') });
  const held = write('b.csv', `text,label\n${'x\n'.repeat(4)}`);
  await expect(inspect({ train: [train], test: { main: [held] } })).rejects.toMatchObject({
    message: [
      '34 rows cannot be used:',
      `  ${alone}`,
      `  ${held}:2: expected 2 fields (text, label), found 1 (and 3 more rows like it: lines 3, 4, 5)`,
    ].join('\n'),
  });
});

test('one wrong row is reported plainly, a missing file by its name', async () => {
  const write = createDataFolder();
  const path = write('a.jsonl', '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n{}\n');
  await expect(inspect({ train: [path] })).rejects.toMatchObject({
    message: expect.stringMatching(/^[^\n]*a\.jsonl:3: expected a column "text"[^\n]*$/),
  });
  for (const name of ['none.csv', 'none.jsonl.gz']) {
    const missing = path.replace('a.jsonl', name);
    await expect(inspect({ train: [path.replace('a.jsonl', name)] })).rejects.toMatchObject({
      code: 'file-missing',
      message: `data file not found: ${missing}`,
    });
  }
});

test('a kept copy without an ending is hashed as the file it was', async () => {
  const path = createDataFolder()('kept', gzipSync(both));
  expect(await hashDataset(path)).toBe(sha256(both));
});

describe('conversations', () => {
  function toLine(...contents: readonly string[]): string {
    const messages = contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
    return `${JSON.stringify({ messages })}\n`;
  }

  test('facts of chats: no labels, all text, duplicate rows, prompts that are in two parts', async () => {
    const write = createDataFolder();
    const tools = `{"tools":[{"name":"function"}],"messages":[{"role":"user","content":[{"type":"text","text":"abc"}]},
      {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"fn","arguments":"{}"}}]}]}`.replaceAll(
      '\n',
      '',
    );
    const content = `${toLine('one', 'two')}${toLine('one', 'two')}${tools}\n`;
    const train = write('a.jsonl', content);
    // The first has a known prompt and another answer; the second has the first as the beginning of its prompt.
    const held = write('b.jsonl', toLine('one', '2') + toLine('one', 'two', 'three', 'four'));
    const columns = { messages: 'messages' };
    const facts = await inspectDataset({ task: 'chat', train: [train], validation: null, test: { main: [held] }, columns });
    expect(facts).toEqual({
      columns,
      train: {
        sources: [{ path: train, sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length }],
        sha256: createHash('sha256').update(content).digest('hex'),
        rows: 3,
        labels: {},
        longestCharacters: 'abc'.length + 'fn{}'.length + '[{"type":"function"}]'.length,
        duplicates: 1,
      },
      validation: null,
      test: { main: expect.objectContaining({ rows: 2, longestCharacters: 15, duplicates: 0, labels: {} }) },
      labels: [],
      majority: null,
      warnings: [
        { type: 'duplicate-rows', part: 'train', rows: 1, example: { source: train, line: 2, otherLine: 1 } },
        { type: 'texts-in-training', part: 'test/main', rows: 1, example: { source: held, line: 1, otherSource: train, otherLine: 1 } },
      ],
    });
    expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
  });

  test('facts of preferences: the prompt is what is known', async () => {
    const write = createDataFolder();
    const train = write('a.csv', 'prompt,chosen,rejected\nq,good,bad\nr,fine,poor\n');
    const held = write('b.jsonl', '{"prompt":[{"role":"user","content":"q"}],"chosen":"other","rejected":"x"}\n');
    const facts = await inspectDataset({ task: 'preference', train: [train], validation: [held], test: {}, columns: {} });
    expect(facts).toMatchObject({ train: { rows: 2, longestCharacters: 9, labels: {} }, labels: [], majority: null });
    expect(facts.warnings).toEqual([expect.objectContaining({ type: 'texts-in-training', part: 'validation', rows: 1 })]);
  });

  test.each([
    ['chat', 26],
    ['preference', 24],
  ] as const)('of the sample data of %s every row is on one side', async (task, rows) => {
    const train = [`fixtures/${task}/train.jsonl`];
    const sources = { task, train, test: { test: [`fixtures/${task}/test.jsonl`] }, columns: {} };
    const facts = await inspectDataset({ ...sources, validation: { fraction: 0.25 } });
    expect(facts.train.rows + facts.validation!.rows).toBe(rows);
    expect(facts.validation).toMatchObject({ sources: [], sha256: facts.train.sha256 });
    expect(facts.test['test']!.rows).toBe(24);
    // Square roots of 49 and 81.
    expect(facts.warnings.map(formatWarning)).toEqual(
      task === 'chat'
        ? []
        : [
            '1 row of the test data has nearly the input of a training row: the scores will be too high (test.jsonl:20 against train.jsonl:20)',
          ],
    );
  });

  test('wrong rows of all files are reported at once, and a file without rows is refused', async () => {
    const write = createDataFolder();
    const train = write('a.jsonl', `${toLine('one')}${toLine('one', 'two')}`);
    const held = write('b.jsonl', '{}\n');
    const both = inspectDataset({ task: 'chat', train: [train], validation: null, test: { main: [held] }, columns: {} });
    await expect(both).rejects.toThrow(/^2 rows cannot be used:\n.*a\.jsonl:1: messages\[0\]\.role: .*\n.*b\.jsonl:1: expected a column/);
    const empty = inspectDataset({ task: 'chat', train: [write('c.jsonl', '')], validation: null, test: {}, columns: {} });
    await expect(empty).rejects.toThrow('expected rows in the training data, found none in ');
  });
});

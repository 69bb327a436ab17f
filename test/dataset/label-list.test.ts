import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseLabelList } from '../../src/dataset/chat.ts';
import { checkDataset, type DataReport } from '../../src/dataset/check.ts';
import type { ReadNote } from '../../src/dataset/findings.ts';
import { inspectDataset, type DataFacts } from '../../src/dataset/inspect.ts';
import { findFrequentLabels, formatLabelList, readLabelList } from '../../src/dataset/label-list.ts';
import { getPart, hashRow } from '../../src/dataset/split.ts';
import { readTaskRows, type RowShape } from '../../src/dataset/task-rows.ts';
import { nameLabelColumns } from '../../src/lib/label-columns.ts';
import { createScratchFolder } from '../scratch.ts';

function write(name: string, lines: readonly (string | object)[]): string {
  const path = join(createScratchFolder(), name);
  writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  return path;
}

const shape = { task: 'multi-label', columns: {} } as const;

interface Found {
  readonly labels: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

async function read(path: string, of: RowShape = shape): Promise<Found> {
  const notes: string[] = [];
  const onNote = ({ code, line, message }: ReadNote): void => void notes.push(`${code} ${line}: ${message}`);
  const rows = await Array.fromAsync(readTaskRows([path], of, { onNote }));
  return { labels: rows.map((row) => ('labels' in row ? row.labels : [])), notes };
}

test('a row has a list of labels, each once and sorted; it may be empty', async () => {
  const found = await read(
    write(
      'a.jsonl',
      ['["b", "a"]', '[]', '["c"]', '[1, true, "1"]', '["a", "b", "a"]'].map((list) => `{"text": "x", "labels": ${list}}`),
    ),
  );
  expect(found.labels).toEqual([['a', 'b'], [], ['c'], ['1', 'true'], ['a', 'b']]);
  expect(found.notes).toEqual(['labels-repeated 4: the label "1" stands twice in one row, and counts once']);
});

test.each<[file: string, rows: string[], labels: string[][], note: string]>([
  ['a.csv', ['x,a|b', 'x,', 'x,c;d', 'x,b'], [['a', 'b'], [], ['c;d'], ['b']], 'labels-split 2: "|" stands between the labels of a row'],
  ['a.csv', ['x,c', 'x,a; b ;', 'x,"d,e"'], [['c'], ['a', 'b'], ['d,e']], 'labels-split 3: ";" stands between the labels of a row'],
  ['a.csv', ['x,"a, b"', 'x,c'], [['a', 'b'], ['c']], 'labels-split 2: "," stands between the labels of a row'],
  ['a.tsv', ['x\ta|b', 'x\ta'], [['a', 'b'], ['a']], 'labels-split 2: "|" stands between the labels of a row'],
  [
    'a.csv',
    [`x,"['it''s', ""b""]"`.replace("''", "\\'"), 'x,"[""a|b""]"', 'x,[]', `x,"['b', 'a,c']"`],
    [["it's", 'b'].sort(), ['a|b'], [], ['a,c', 'b']],
    'labels-split 2: lists of labels that are written as text were read as lists',
  ],
])('labels in the field of a table, %s %j', async (file, rows, labels, note) => {
  const head = file.endsWith('.tsv') ? 'text\tlabels' : 'text,labels';
  expect(await read(write(file, [head, ...rows]))).toEqual({ labels, notes: [note] });
});

test('text with a separator is read in the same way in JSON', async () => {
  const found = await read(write('a.jsonl', [{ text: 'x', labels: 'a|b' }, { text: 'x', labels: '' }])); // prettier-ignore
  expect(found.labels).toEqual([['a', 'b'], []]);
});

test.each([
  ['null', 'value-kind'],
  ['3', 'value-kind'],
  ['{"a": 1}', 'value-kind'],
  ['[null]', 'value-kind'],
  ['[["a"]]', 'value-kind'],
  ['["a", " "]', 'value-blank'],
  ['"[a, b]"', 'value-kind'],
  ["\"['a' 'b']\"", 'value-kind'],
])('labels: %s is refused', async (labels, finding) => {
  const path = write('a.jsonl', ['{"text": "x", "labels": ["a"]}', `{"text": "x", "labels": ${labels}}`]);
  await expect(read(path)).rejects.toMatchObject({
    code: 'data-invalid',
    finding,
    message: expect.stringContaining(`${path}:2`) as string,
  });
});

test('a file has one separator', async () => {
  const path = write('a.csv', ['text,labels', 'x,"Crime, true"', 'x,Drama|Crime']);
  await expect(read(path)).rejects.toMatchObject({
    finding: 'labels-mixed',
    message: `${path}:3: expected labels with "," between them, as on line 2, found "|" in "Drama|Crime"`,
  });
});

const columns = nameLabelColumns(['late', 'billing']);

test.each([
  ['a.csv', ['text,billing,Late ,other', 'x,1,0,7', 'y,0,0,', 'z,True,1.0,']],
  ['a.tsv', ['text\tlate\tbilling', 'x\t0\t1', 'y\tFALSE\t0', 'z\t 1\ttrue']],
  ['a.jsonl', [{ text: 'x', late: 0, billing: 1 }, { text: 'y', late: false, billing: '0' }, { text: 'z', late: '1', billing: true }]], // prettier-ignore
])('labels with a column each, %s', async (name, lines) => {
  const { labels } = await read(write(name, lines), { ...shape, columns });
  expect(labels).toEqual([['billing'], [], ['billing', 'late']]);
});

test.each<[string, string, string]>([
  ['x,2,0', 'value-kind', ':2: expected 0 or 1 in column "late", found "2"'],
  ['x,0,', 'value-kind', ':2: expected 0 or 1 in column "billing", found ""'],
  ['x,0,10', 'value-kind', ':2: expected 0 or 1 in column "billing", found "10"'],
])('%s has no columns of labels', async (line, finding, message) => {
  const path = write('a.csv', ['text,late,billing', line]);
  await expect(read(path, { ...shape, columns })).rejects.toMatchObject({ finding, message: `${path}${message}` });
});

test('a column of a label that is not there is named, in JSON with its line', async () => {
  const path = write('a.csv', ['text,late', 'x,0']);
  await expect(read(path, { ...shape, columns })).rejects.toMatchObject({
    finding: 'column-missing',
    message: expect.stringContaining('expected a column "billing"') as string,
  });
  const second = write('a.jsonl', [{ text: 'x', late: 0, billing: 1 }, { text: 'x', late: 0 }]); // prettier-ignore
  await expect(read(second, { ...shape, columns })).rejects.toMatchObject({
    message: expect.stringContaining(`${second}:2: expected a column "billing"`) as string,
  });
});

test('columns of labels count as the list does: the same facts, and the task is known by them', async () => {
  const own = rows.map(({ text, labels }) => ({
    text,
    ...Object.fromEntries(pool.map((label) => [label, Number(labels.includes(label))])),
  }));
  const [listed, each] = [
    await inspect(write('train.jsonl', rows)),
    await inspect(write('train.jsonl', own), { columns: nameLabelColumns(pool) }),
  ];
  expect(each.train).toEqual({ ...listed.train, sources: each.train.sources, sha256: each.train.sha256 });
  expect(each).toMatchObject({ labels: pool, majority: listed.majority });
  const report = await checkDataset({
    train: [write('train.jsonl', own)],
    validation: null,
    test: {},
    columns: nameLabelColumns(pool),
    services: [],
    tokenizer: null,
    allowSecrets: false,
  });
  expect(report).toMatchObject({ task: 'multi-label' });
});

const pool = ['a', 'b', 'c', 'd'];
/** Each of the 16 combinations six times. */
const rows = Array.from({ length: 96 }, (_, i) => ({ text: `text ${i}`, labels: pool.filter((_label, bit) => i & (1 << bit)) }));

const inspect = async (path: string, more: object = {}): Promise<DataFacts> =>
  await inspectDataset({ task: 'multi-label', train: [path], validation: null, test: {}, columns: {}, ...more });

test('the facts count each label, and the rule to beat gives the best labels for all rows', async () => {
  const facts = await inspect(write('train.jsonl', rows));
  expect(facts).toMatchObject({ labels: pool, train: { rows: 96, labels: { a: 48, b: 48, c: 48, d: 48 } }, warnings: [] });
  expect(facts.majority).toBe('["a","b","c","d"]');
  const rare = rows.map(({ text, labels }, i) => ({ text, labels: i % 2 === 0 ? labels.slice(0, 1) : ['a'] }));
  expect((await inspect(write('rare.jsonl', rare))).majority).toBe('["a"]');
});

test('of all answers that are the same for every row, none has a better micro-F1', () => {
  const sets = [...rows.slice(0, 7), ...rows.slice(16, 35)].map(({ labels }) => labels);
  const counts = new Map(pool.map((label) => [label, sets.filter((set) => set.includes(label)).length]));
  const score = (answer: readonly string[]): number => {
    const right = sets.reduce((sum, set) => sum + answer.filter((label) => set.includes(label)).length, 0);
    return (2 * right) / (sets.length * answer.length + sets.reduce((sum, set) => sum + set.length, 0));
  };
  const all = Array.from({ length: 16 }, (_, i) => score(pool.filter((_label, bit) => i & (1 << bit))));
  expect(score(findFrequentLabels(counts, sets.length))).toBe(Math.max(...all));
  expect(findFrequentLabels(new Map([['rare', 1], ['often', 9]]), 10)).toEqual(['often']); // prettier-ignore
  expect(findFrequentLabels(new Map(), 10)).toEqual([]);
});

test('shares are held out of each combination of labels, so that no label is held out as a whole', async () => {
  const path = write('train.jsonl', [...rows, { text: 'alone', labels: ['a', 'rare'] }]);
  const facts = await inspect(path, { testFraction: 0.34 });
  expect(facts.test['test']!.rows).toBe(32);
  expect(facts.labels).toContain('rare');
  const held = (await Array.fromAsync(readTaskRows([path], shape))).filter((row) => getPart(row, facts.heldOut!, 0) === 'test');
  const combinations = new Set(held.map((row) => ('labels' in row ? row.labels.join() : null)));
  expect(combinations.size).toBe(16);
});

test('the order of the labels makes no other row', () => {
  expect(hashRow({ text: 'x', labels: ['a'] })).not.toEqual(hashRow({ text: 'x', labels: ['a', 'b'] }));
  expect(hashRow({ text: 'x', labels: ['a'] })).not.toEqual(hashRow({ text: 'x', label: 'a' }));
});

const check = async (train: string, test?: string): Promise<DataReport> =>
  await checkDataset({ train: [train], validation: null, test: test === undefined ? {} : { test: [test] }, columns: {}, services: [] });

test('a report tells the task by the column, and names unknown, rare and repeated labels and rows without one', async () => {
  const train = write('train.jsonl', [...rows, { text: 'y', labels: ['rare', 'rare'] }, rows[5]!, { ...rows[6]!, labels: ['a'] }]);
  const report = await check(train, write('test.jsonl', [{ text: 'z', labels: ['a', 'new'] }, { text: 'z2', labels: ['other'] }])); // prettier-ignore
  expect(report.task).toBe('multi-label');
  expect(report.parts[0]).toMatchObject({ rows: 99, labels: { rare: 1 }, unlabelled: 6 });
  const codes = report.findings.map(({ code, severity }) => `${severity} ${code}`);
  expect(codes).toEqual([
    'error label-unknown',
    'warning rows-twice',
    'warning rows-contradict',
    'warning labels-rare',
    'note labels-repeated',
  ]);
  expect(report.findings[0]!.message).toContain('the label "new" of the test data');
  expect(report.findings[0]!.message).toContain('the label "other" of the test data');
});

test('one label is enough to learn where a row may have none; no label is not', async () => {
  expect((await check(write('a.jsonl', rows.map(({ text }, i) => ({ text, labels: i % 2 === 0 ? ['a'] : [] }))))).findings).toEqual([]); // prettier-ignore
  const none = await check(write('b.jsonl', [{ text: 'x', labels: [] }, { text: 'y', labels: [] }])); // prettier-ignore
  expect(none.findings).toMatchObject([
    { code: 'labels-one', message: 'expected at least one label in the training rows, found none in 2 rows' },
  ]);
});

test('an answer is a JSON list in one order, and nothing else is read back', () => {
  expect(formatLabelList(['b', 'a', 'b'])).toBe('["a","b"]');
  expect(readLabelList('["a","b"]')).toEqual(['a', 'b']);
  for (const other of [null, '', 'a', '{"a":1}', '[1]', 'null']) expect(readLabelList(other)).toBeNull();
});

const known = ['billing', 'late, again', 'praise'];

test.each<[string | null, string | null]>([
  ['["praise", "billing"]', '["billing","praise"]'],
  ['[]', '[]'],
  ['```json\n["Billing"]\n```', '["billing"]'],
  ['billing, praise', '["billing","praise"]'],
  ['- billing\n- praise.', '["billing","praise"]'],
  ['"billing"', '["billing"]'],
  ['late, again', '["late, again"]'],
  ['["late, again","late, again"]', '["late, again"]'],
  ['["refund"]', null],
  ['billing and praise', null],
  ['[billing]', null],
  ['', null],
  [null, null],
])('the answer %j has the labels %j', (answer, labels) => {
  expect(parseLabelList(answer, known)).toBe(labels);
});

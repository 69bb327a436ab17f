import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDataset } from '../../src/dataset/check.ts';
import { foldInput, getPartPaths, splitRows, type Split, type SplitOptions } from '../../src/prepare/split-rows.ts';
import { createDataFolder } from '../dataset/data-folder.ts';

type Options = Partial<SplitOptions>;

interface Divided extends Split {
  readonly folder: string;
  lines(part: 'train' | 'test' | 'validation'): string[];
}

async function split(content: string, options: Options = {}, name = 'rows.jsonl'): Promise<Divided> {
  const path = createDataFolder()(name, content);
  const out = getPartPaths(path, null);
  const done = await splitRows({
    paths: [path],
    columns: {},
    test: { share: 0.2 },
    validation: null,
    stratify: null,
    seed: 0,
    skipBad: false,
    out,
    ...options,
  });
  return { ...done, folder: dirname(path), lines: (part) => readFileSync(out[part], 'utf8').split('\n').slice(0, -1) };
}

const sample = readFileSync(new URL('../../fixtures/sentiment/train.jsonl', import.meta.url), 'utf8');
const sampleLines = sample.split('\n').slice(0, -1);

test('every row is in one part as it was, in its order, and no input is in two', async () => {
  const { parts, lines, folder } = await split(sample, { stratify: 'label', validation: { rows: 100 } });
  expect(parts.map(({ name, rows }) => [name, rows])).toEqual([
    ['train', 1799],
    ['test', 475],
    ['validation', 100],
  ]);
  const [train, tested, validation] = [lines('train'), lines('test'), lines('validation')];
  expect([...train, ...tested, ...validation].sort()).toEqual([...sampleLines].sort());
  expect(tested).toEqual(sampleLines.filter((line) => tested.includes(line)));
  const paths = (['train', 'test', 'validation'] as const).map((name) => join(folder, `rows.${name}.jsonl`));
  const report = await checkDataset({
    train: [paths[0]!],
    test: { test: [paths[1]!] },
    validation: [paths[2]!],
    columns: {},
    services: [],
  });
  expect(report.findings.filter(({ code }) => code === 'rows-leaked')).toEqual([]);
});

test('the same seed gives the same parts, also of rows in another order; another seed gives others', async () => {
  const first = await split(sample);
  const again = await split(`${sampleLines.toReversed().join('\n')}\n`);
  expect(again.lines('test').toReversed()).toEqual(first.lines('test'));
  expect((await split(sample, { seed: 1 })).lines('test')).not.toEqual(first.lines('test'));
});

test('inputs that differ in case, space and punctuation only are in one part, with every label', async () => {
  const rows = Array.from({ length: 200 }, (_, i) => [
    { text: `Row number ${i}!`, label: 'a' },
    { text: `row  number ${i}`, label: 'b' },
  ]).flat();
  const { lines, repeated } = await split(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  expect(repeated).toBe(200);
  const numbers = (part: 'train' | 'test'): Set<string> => new Set(lines(part).map((line) => /number (\d+)/.exec(line)![1]!));
  expect([...numbers('train')].filter((number) => numbers('test').has(number))).toEqual([]);
  expect(numbers('test').size).toBe(40);
});

test.each([
  ['case, space and punctuation', 'Hello,  World!', 'hello world', true],
  ['signs alone', ':)', ':(', false],
  ['other words', 'a b', 'a c', false],
  ['two texts', ['a', 'b'], ['a b'], false],
])('%s', (_, first, second, isSame) => {
  expect(foldInput(first) === foldInput(second)).toBe(isSame);
});

test('the shares of the labels hold in every part, and a label with few rows is in each', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ text: `row ${i}`, label: i < 3 ? 'rare' : i % 3 === 0 ? 'some' : 'often' }));
  const { parts } = await split(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), {
    stratify: 'label',
    test: { share: 0.1 },
    validation: { share: 0.1 },
  });
  const [train, tested, validation] = parts.map(({ labels }) => labels);
  expect(tested).toEqual({ often: 19, some: 10, rare: 1 });
  expect(validation).toEqual({ often: 19, some: 10, rare: 1 });
  expect(train).toEqual({ often: 160, some: 79, rare: 1 });
});

test('chats are divided by their questions, and stratified by their answers', async () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({
    messages: [
      { role: 'user', content: `question ${i >> 1}` },
      { role: 'assistant', content: i % 4 < 2 ? 'yes' : 'no' },
    ],
  }));
  const { parts, lines } = await split(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), { stratify: 'label' });
  expect(parts.map(({ labels }) => labels)).toEqual([
    { yes: 40, no: 40 },
    { yes: 10, no: 10 },
  ]);
  const questions = (part: 'train' | 'test'): Set<string> => new Set(lines(part).map((line) => /question \d+/.exec(line)![0]));
  expect([...questions('train')].filter((question) => questions('test').has(question))).toEqual([]);
});

test('a table stays a table, and rows of no known form are divided by all that they hold', async () => {
  const table = `a;b\n${Array.from({ length: 20 }, (_, i) => `"x; ${i}";${i}\n`).join('')}`;
  const { lines, kind } = await split(table, {}, 'rows.csv');
  expect(kind).toBeNull();
  expect(lines('test')[0]).toBe('a,b');
  expect([lines('train').length, lines('test').length]).toEqual([17, 5]);
  expect(lines('test')[1]).toMatch(/^"x; \d+",\d+$/);
});

test.each<[name: string, content: string, options: Options, message: string]>([
  ['a row that cannot be used', '{"text":"a","label":"b"}\n{"text":"","label":"b"}\n', {}, ':2: column "text" is blank'],
  [
    'a part without rows',
    '{"text":"a","label":"b"}\n{"text":"A!","label":"b"}\n',
    {},
    'found none for test: the rows have 1 different input',
  ],
  [
    'a column that is not there',
    '{"text":"a","label":"b"}\n',
    { stratify: 'team' },
    'expected the column "team" of --stratify, found "text", "label"',
  ],
  [
    'as many values as rows',
    Array.from({ length: 30 }, (_, i) => `{"text":"a ${i}","label":"${i}"}\n`).join(''),
    { stratify: 'label' },
    'expected a column with few different values, found 30 in 30 rows'.replace('expected', 'expects'),
  ],
])('%s refuses the split, and nothing is left', async (_, content, options, message) => {
  const path = createDataFolder()('rows.jsonl', content);
  const out = getPartPaths(path, null);
  const asked = {
    paths: [path],
    columns: {},
    test: { share: 0.2 },
    validation: null,
    stratify: null,
    seed: 0,
    skipBad: false,
    out,
    ...options,
  };
  await expect(splitRows(asked)).rejects.toThrow(message);
  expect(readdirSync(dirname(path))).toEqual(['rows.jsonl']);
});

test.each(['labels', 'label'])(
  '--stratify %s: each of several labels has its share in each part, also where combinations are rare',
  async (stratify) => {
    const topics = readFileSync(new URL('../../fixtures/topics/train.jsonl', import.meta.url), 'utf8');
    const options: Options = { stratify, validation: { share: 0.1 } };
    const { parts, lines } = await split(topics, options);
    expect(parts.map(({ rows }) => rows)).toEqual([420, 120, 60]);
    const [train, tested, validation] = parts.map(({ labels }) => labels);
    for (const [label, rows] of Object.entries(train!)) {
      expect(tested![label]! / rows).toBeGreaterThan((0.9 * 120) / 420);
      expect(tested![label]! / rows).toBeLessThan((1.15 * 120) / 420);
      expect(validation![label]! / rows).toBeGreaterThan((0.8 * 60) / 420);
    }
    const counted = lines('test').flatMap((line) => (JSON.parse(line) as { labels: string[] }).labels);
    expect(tested).toEqual(Object.fromEntries(Object.keys(tested!).map((label) => [label, counted.filter((one) => one === label).length])));
    // In a table, the order of the labels and the spaces between them make no other combination.
    const table = `text,labels\n${Array.from({ length: 40 }, (_, i) => `t${i},${i < 20 ? 'b' : ['a|b', ' b | a '][i % 2]!}\n`).join('')}`;
    const ofTable = await split(table, { stratify, test: { share: 0.5 } }, 'rows.csv');
    expect(ofTable.parts.map(({ labels }) => labels)).toEqual([
      { a: 10, b: 20 },
      { a: 10, b: 20 },
    ]);
  },
);

test('rows that cannot be used are left out where that is asked for, and listed', async () => {
  const { parts, skipped } = await split(`${sample}{"text":"","label":"b"}\n`, { skipBad: true });
  expect(parts.map(({ rows }) => rows)).toEqual([1899, 475]);
  expect(skipped).toMatchObject([{ rows: 1, places: [{ line: 2375 }] }]);
});

test('where one of the files cannot be written, none is', async () => {
  const path = createDataFolder()('rows.jsonl', sample);
  const out = { ...getPartPaths(path, null), test: join(dirname(path), 'no-folder/test.jsonl') };
  const asked = { paths: [path], columns: {}, test: { share: 0.2 }, validation: null, stratify: null, seed: 0, skipBad: false, out };
  await expect(splitRows(asked)).rejects.toMatchObject({ code: 'file-missing' });
  expect(existsSync(out.train)).toBe(false);
  expect(readdirSync(dirname(path))).toEqual(['rows.jsonl']);
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatComparison } from '../../src/cli/views/comparison-view.ts';
import { measures } from '../../src/evaluate/measures.ts';
import { createAnsweringService, toRead } from './answering-service.ts';
import { openSmallJob, runSmallJob, toLines } from './small-job.ts';

const f1 = (expected: string, answer: string | null): number =>
  measures.field_f1.score({ labels: [], expected: [expected], answers: [answer] }).measures.field_f1!;

test.each([
  ['the same value, written in another way', '{"a":1,"b":[true,{"c":null}]}', ' {"b": [true, {"c": null}], "a": 1.0}', 1],
  ['one of two fields', '{"a":1,"b":2}', '{"a":1,"b":3}', 0.5],
  ['a field is missing', '{"a":1,"b":2}', '{"a":1}', 2 / 3],
  ['a field too many', '{"a":1}', '{"a":1,"b":2,"c":3}', 0.5],
  ['text is no number', '{"a":1}', '{"a":"1"}', 0],
  ['a place in a list is part of the way', '{"a":["x","y"]}', '{"a":["y","x"]}', 0],
  ['a list is no object with numbers as names', '{"a":["x"]}', '{"a":{"0":"x"}}', 0],
  ['a name with a dot is one name', '{"a":{"b":1}}', '{"a.b":1}', 0],
  ['empty lists and objects are fields', '{"a":[],"b":{}}', '{"a":[],"b":[]}', 0.5],
  ['a value without fields', '"x"', '"x"', 1],
  ['no JSON', '{"a":1}', '{"a":1', 0],
  ['JSON in other text', '{"a":1}', '```json\n{"a":1}\n```', 0],
  ['no answer', '{"a":1}', null, 0],
  ['no JSON is expected', 'yes', 'yes', 0],
])('field F1: %s', (_, expected, answer, wanted) => {
  expect(f1(expected, answer)).toBeCloseTo(wanted, 12);
});

test('the score is the mean of the rows, and exact are those with all fields', () => {
  const expected = ['{"a":1,"b":2}', '{"a":1}', '{"a":1}'];
  const answers = ['{"b":3,"a":1}', '{ "a": 1 }', 'none'];
  const isValid = (value: unknown): boolean => !('b' in (value as object));
  expect(measures.field_f1.score({ labels: [], expected, answers, isValid })).toEqual({
    measures: { field_f1: (0.5 + 1 + 0) / 3, valid_json: 1 / 3, exact_match: 1 / 3 },
    perClass: [],
    confusion: [],
    unparseable: 1,
  });
  expect(measures.valid_json.score({ labels: [], expected, answers }).measures).toEqual({ valid_json: 2 / 3 });
  expect(measures.valid_json.judge({ expected, answers, isValid })).toEqual([0, 1, 0]);
  expect(measures.field_f1.score({ labels: [], expected: [], answers: [] }).measures.field_f1).toBe(0);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  expect(f1(deep, deep)).toBe(0);
});

const toRow = (id: string, i: number): object => ({
  messages: [
    { role: 'user', content: `${id} ${i}` },
    { role: 'assistant', content: JSON.stringify({ name: `n${i}`, count: i % 7, tags: ['a'] }) },
  ],
});
const schema = {
  type: 'object',
  properties: { name: { type: 'string' }, count: { type: 'integer' }, tags: { type: 'array' } },
  required: ['name', 'count', 'tags'],
};

test('stored answers as JSON are compared by their fields, and by the schema of the job', async () => {
  const test_ = Array.from({ length: 80 }, (_, i) => toRow('held', i));
  const paid = createAnsweringService({
    say: (row, isTuned) => (isTuned ? `{"count": ${Number(/\d+/.exec(toRead(row))![0]) % 7}, "tags": ["a"], "name": "other"}` : 'no'),
  });
  const evaluation = { measure: 'field_f1', generation: { maxTokens: 50, schema: './answer.schema.json' } };
  const train = Array.from({ length: 20 }, (_, i) => toRow('train', i));
  const job = {
    task: 'chat',
    evaluation: { ...evaluation, generation: { maxTokens: 50 } },
    references: { old: { predictions: './old.jsonl' } },
  };
  const { folder, orchestrator, path } = await runSmallJob([paid.provider], job, { train, test: test_ });
  const old = test_.map((row, i) => ({
    messages: (row as { messages: object[] }).messages.slice(0, 1),
    answer: i < 8 ? 'Sorry.' : JSON.stringify({ name: `n${i}`, ...(i < 40 && { count: 99 }) }),
  }));
  writeFileSync(join(folder, 'old.jsonl'), toLines(old));
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 5 });
  const [base, reference, tuned] = comparison!.candidates;
  expect(reference!.measures).toEqual({
    field_f1: expect.closeTo((32 * 2) / 5 / 80 + (40 * 0.5) / 80, 9) as number,
    valid_json: 0.9,
    exact_match: 0,
  });
  expect(base!.measures).toEqual({ field_f1: 0, valid_json: 0, exact_match: 0 });
  expect(tuned).toMatchObject({
    measures: { field_f1: expect.closeTo(2 / 3, 9) as number, valid_json: 1, exact_match: 0 },
    verdict: 'better',
  });
  expect(tuned!.interval![0]).toBeGreaterThan(0.1);
  expect(tuned!.pValue).toBeLessThan(0.001);
  expect(tuned!.interval![1]).toBeLessThan(tuned!.difference! + 0.1);
  const table = formatComparison(comparison!);
  expect(table).toMatch(/model +field F1 +valid JSON +exact match +difference/);
  expect(table).toContain('note: 8 answers of old are no JSON and count as wrong');

  // The schema belongs to the job file, beside the training; answers that were given without it are not taken for answers to it.
  writeFileSync(join(folder, 'answer.schema.json'), JSON.stringify(schema));
  const file = {
    version: 1,
    name: 'small',
    data: { train: './train.jsonl', test: './test.jsonl' },
    targets: { paid: { provider: 'paid', model: 'base-paid' } },
  };
  writeFileSync(path, JSON.stringify({ ...file, ...job, evaluation }));
  const again = await openSmallJob(folder, [paid.provider]);
  const [before] = await again.compare(path);
  expect(before!.notes.join()).toContain('has answered 0 of 80 rows');
  expect(before!.candidates.map(({ name, measures: found }) => [name, found.valid_json])).toEqual([['old', 0]]);
  const asked = paid.asked.length;
  const [after] = await again.evaluate(path, { maxUsd: 50 });
  expect(paid.asked.slice(asked).every(({ context }) => context.generation.schema?.['type'] === 'object')).toBe(true);
  expect(after!.candidates.at(-1)!.measures).toEqual(tuned!.measures);
});

test('expected answers that are no JSON are told', async () => {
  const rows = Array.from({ length: 3 }, (_, i) => toRow('held', i));
  const plain = {
    messages: [
      { role: 'user', content: 'x 9' },
      { role: 'assistant', content: 'yes' },
    ],
  };
  const paid = createAnsweringService({ price: 'free', say: () => 'yes' });
  const job = { task: 'chat', evaluation: { measure: 'valid_json', generation: { maxTokens: 9 } } };
  const { orchestrator, path } = await runSmallJob([paid.provider], job, {
    train: rows.map((_, i) => toRow('train', i)),
    test: [...rows, plain],
  });
  const [valid] = await orchestrator.compare('small');
  expect(valid!.notes.join()).not.toContain('expected answers');
  const file = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...file, evaluation: { ...job.evaluation, measure: 'field_f1' } }));
  const [fields] = await orchestrator.compare(path);
  expect(fields!.notes).toContain('1 of 4 expected answers is no JSON: every answer to it counts as wrong');
});

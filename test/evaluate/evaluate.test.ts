import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Comparison } from '../../src/evaluate/comparison.ts';
import type { FolderModel } from '../../src/provider/model.ts';
import { createAnsweringService, toRead } from './answering-service.ts';
import { createLocal, fewRowsNote, openSmallJob, runSmallJob, sayRight } from './small-job.ts';

test('models on this machine and of a service are in one comparison, on the same rows', async () => {
  const [local, paid] = [createLocal(), createAnsweringService({ say: sayRight })];
  const { orchestrator } = await runSmallJob([local.provider, paid.provider]);
  const [comparison, ...others] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(others).toEqual([]);
  expect(comparison).toMatchObject({ measure: 'accuracy', reference: 'most frequent label', rows: 12, notes: [fewRowsNote] });
  expect(comparison!.candidates.map(({ name, run, measures }) => [name, run, measures.accuracy])).toEqual([
    ['most frequent label', null, 8 / 12],
    ['untrained head of laptop', null, 4 / 12],
    ['base of paid', null, 4 / 12],
    ['laptop', 'small/laptop', 1],
    ['paid', 'small/paid', 1],
  ]);
  const [, , base, laptop, tuned] = comparison!.candidates;
  expect(laptop).toMatchObject({ cost: 0 });
  expect(base!.cost).toBeCloseTo(12 * (0.001 + 2 * 0.0001), 9); // two tokens an answer
  expect(tuned!.cost).toBeCloseTo(1 + 12 * 0.0012, 9);
  expect(base!.latency).toBe(105.5);
  expect(tuned!.difference).toBeCloseTo(4 / 12, 9);
  expect([local.asked.length, paid.asked.length]).toEqual([24, 24]);
  expect(paid.asked[0]!.row).toMatchObject({
    messages: [
      { role: 'system', content: 'Classify the text.\n\nAnswer with exactly one of these labels: "no", "yes".' },
      { role: 'user', content: 'text 0' },
    ],
  });
  expect(paid.asked[0]!.context.concurrency).toBe(8);
});

test('a base model that knew the labels before is not called untrained', async () => {
  const { provider } = createLocal();
  const { training } = provider;
  const baseModel: typeof training.baseModel = (request, context) => {
    return { ...(training.baseModel!(request, context) as FolderModel), hasOwnHead: true };
  };
  const { orchestrator } = await runSmallJob([{ ...provider, training: { ...training, baseModel } }]);
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(comparison!.candidates.map(({ name, kind }) => [name, kind])).toEqual([
    ['most frequent label', 'majority'],
    ['base model', 'base'],
    ['laptop', 'tuned'],
  ]);
  const [beside] = await orchestrator.compare('small', { reference: 'base' });
  expect(beside!.reference).toBe('base model');
});

test('the shutdown date of a model is part of its figures, and a note says so when it is near', async () => {
  const [local, paid] = [createLocal(), createAnsweringService({ say: sayRight })];
  const days = (count: number): string => new Date(Date.now() + count * 86_400_000).toISOString().slice(0, 10);
  for (const [date, isNear] of [
    [days(30), true],
    [days(200), false],
  ] as const) {
    const provider = { ...paid.provider, getDeprecation: () => ({ date, source: 'a page', asOf: null }) };
    const { orchestrator } = await runSmallJob([local.provider, provider]);
    const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
    expect(comparison!.candidates.map(({ endsOn }) => endsOn)).toEqual([null, null, date, null, date]);
    const told = expect.stringContaining(`base of paid, paid: the service shuts down this model on ${date}`) as string;
    expect(comparison!.notes).toEqual(isNear ? [fewRowsNote, told] : [fewRowsNote]);
  }
});

test('answered rows are not sent again, and compare sends nothing to a service', async () => {
  const [local, paid] = [createLocal(), createAnsweringService({ say: sayRight })];
  const { orchestrator } = await runSmallJob([local.provider, paid.provider]);
  const [before] = await orchestrator.compare('small');
  expect(paid.asked).toEqual([]);
  expect(before!.candidates.map(({ name }) => name)).toEqual(['most frequent label', 'untrained head of laptop', 'laptop']);
  expect(before!.notes).toEqual([
    'base of paid has answered 0 of 12 rows and is left out: `orchestrate evaluate small` fetches its answers',
    'small/paid has answered 0 of 12 rows and is left out: `orchestrate evaluate small` fetches its answers',
    fewRowsNote,
  ]);
  await orchestrator.evaluate('small', { limit: 5, maxUsd: 1 });
  expect(paid.asked).toHaveLength(10);
  expect((await orchestrator.compare('small'))[0]!.notes[1]).toContain('small/paid has answered 5 of 12 rows');
  const all = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(paid.asked).toHaveLength(24);
  expect(new Set(paid.asked.map(({ model, row }) => `${model} ${row.id}`)).size).toBe(24);
  expect(await orchestrator.estimate('small')).toMatchObject({ high: 0 });
  expect(await orchestrator.evaluate('small')).toEqual(all); // needs no limit: nothing is left to pay for
  expect(await orchestrator.compare('small')).toEqual(all);
  expect(paid.asked).toHaveLength(24);
  expect(local.asked).toHaveLength(24);
});

test('runs that begin with the same model share it', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const targets = { a: { provider: 'paid', model: 'same' }, b: { provider: 'paid', model: 'same', options: { other: true } } };
  const { orchestrator } = await runSmallJob([paid.provider], { targets });
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(comparison!.candidates.map(({ name }) => name)).toEqual(['most frequent label', 'base of a and b', 'a', 'b']);
  expect(paid.asked).toHaveLength(36);
});

test('rows that are in two held-out sets are priced and sent once', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const data = { train: './train.jsonl', test: { one: './test.jsonl', other: './test.jsonl' } };
  const { orchestrator } = await runSmallJob([paid.provider], { data });
  expect(await orchestrator.estimate('small')).toMatchObject({ low: expect.closeTo(24 * 0.001, 9) as number });
  const comparisons = await orchestrator.evaluate('small', { maxUsd: 0.264 });
  expect(comparisons.map(({ set }) => set)).toEqual(['one', 'other']);
  expect(comparisons[1]!.candidates).toEqual(comparisons[0]!.candidates);
  expect(paid.asked).toHaveLength(24);
});

test('another prompt, another setting: the rows are sent again', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const one = await runSmallJob([paid.provider], { evaluation: { generation: { temperature: 0 } } });
  await one.orchestrator.evaluate('small', { maxUsd: 1 });
  expect(paid.asked[0]!.context.generation).toMatchObject({ temperature: 0 });
  const change = JSON.parse(readFileSync(one.path, 'utf8')) as object;
  writeFileSync(one.path, JSON.stringify({ ...change, prompt: { template: 'Text: {text}' } }));
  await one.orchestrator.submit(await one.orchestrator.load(one.path));
  await one.orchestrator.wait(['small']);
  await one.orchestrator.evaluate('small', { maxUsd: 1 });
  expect(paid.asked).toHaveLength(48); // the base model too
  expect(toRead(paid.asked[24]!.row)).toBe('Text: text 0');
});

test('answers that name no label are counted, and count as wrong', async () => {
  const paid = createAnsweringService({
    say: (row, tuned) => (tuned ? (toRead(row) === 'text 0' ? 'maybe' : ` "${sayRight(row, true)!.toUpperCase()}".\n`) : null),
  });
  const { orchestrator } = await runSmallJob([paid.provider]);
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(comparison!.candidates.map(({ unparseable }) => unparseable)).toEqual([0, 12, 1]);
  expect(comparison!.candidates.map(({ measures }) => measures.accuracy)).toEqual([8 / 12, 0, 11 / 12]);
  const answers = await orchestrator.run('small/paid').predict([{ text: 'text 0' }, { text: 'text 1' }]);
  expect(answers.map(({ label, answer }) => [label, answer])).toEqual([
    [null, 'maybe'],
    ['no', ' "NO".\n'],
  ]);
  expect(paid.asked).toHaveLength(24); // these were rows of the held-out set
});

const toChat = (i: number, answer: object): object => ({
  messages: [
    { role: 'user', content: `question ${i}` },
    { role: 'assistant', ...answer },
  ],
});

test('conversations are scored by the exact text of their last answer', async () => {
  const test_ = Array.from({ length: 12 }, (_, i) => toChat(i, { content: `Answer ${i}` }));
  const call = { tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }] };
  const train = Array.from({ length: 12 }, (_, i) => toChat(i + 100, { content: `Answer ${i}` }));
  const paid = createAnsweringService({
    say: (row, tuned) => {
      const number = /\d+/.exec(toRead(row))![0];
      if (number === '3') return null;
      return tuned ? ` Answer ${number}\n` : number === '0' ? 'Answer 0' : `answer ${number}`;
    },
  });
  const { orchestrator } = await runSmallJob([paid.provider], { task: 'chat' }, { train, test: [...test_, toChat(50, call)] });
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(comparison).toMatchObject({ measure: 'exact_match', reference: 'base of paid', rows: 12, labels: [] });
  expect(comparison!.notes).toEqual(['1 of 13 rows expect an answer without text and are left out', fewRowsNote]);
  expect(comparison!.candidates).toMatchObject([
    { name: 'base of paid', measures: { exact_match: 1 / 12 }, unparseable: 1, perClass: [], confusion: [], verdict: null },
    { name: 'paid', measures: { exact_match: 11 / 12 }, unparseable: 1, perClass: [], confusion: [], verdict: 'better' },
  ]);
  expect(comparison!.candidates[1]!.pValue).toBeCloseTo(2 * 0.5 ** 10, 9);
  expect(paid.asked[0]!.row).toMatchObject({ messages: [{ role: 'user', content: 'question 0' }] });

  const [answer] = await orchestrator.run('small/paid').predict([{ text: 'question 77' }], { maxUsd: 1 });
  expect(answer).toMatchObject({ answer: ' Answer 77\n' });
  expect(answer).not.toHaveProperty('label');
  expect(paid.asked.at(-1)!.row).toMatchObject({ messages: [{ role: 'user', content: 'question 77' }] });
});

test('preferences are not scored', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const row = (i: number): object => ({ prompt: `question ${i}`, chosen: 'good', rejected: 'bad' });
  const data = { train: [row(1), row(2)], test: [row(3)] };
  const { orchestrator } = await runSmallJob([paid.provider], { task: 'preference', training: { method: 'dpo' } }, data);
  expect(await orchestrator.evaluate('small')).toEqual([]);
  expect(await orchestrator.estimate('small')).toMatchObject({ high: 0 });
  expect(paid.asked).toEqual([]);
});

test('a model that answers no rows is named in a note', async () => {
  const { inference: _, ...mute } = createAnsweringService({ id: 'mute', say: sayRight }).provider;
  const { orchestrator } = await runSmallJob([createLocal().provider, mute]);
  const [comparison] = await orchestrator.compare('small');
  expect(comparison!.notes).toEqual(['small/mute is left out: its provider answers no rows', fewRowsNote]);
});

test('a budget that was added to the job file later counts', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const { orchestrator, folder, path } = await runSmallJob([paid.provider]);
  await expect(orchestrator.evaluate(path)).rejects.toMatchObject({ code: 'budget-exceeded' });
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), budget: { usd: 5 } }));
  expect(paid.asked).toEqual([]);
  await using other = await openSmallJob(folder, [paid.provider]);
  expect(await other.evaluate('small')).toHaveLength(1);
});

test('what is wrong with the held-out rows stands beside every verdict, under the run that it is about', async () => {
  const local = createLocal();
  const other = createAnsweringService({ id: 'other', kind: 'folder', price: 'free', trainingUsd: 0, say: sayRight });
  const small = await runSmallJob([local.provider, other.provider]);
  const rows = readFileSync(join(small.folder, 'test.jsonl'), 'utf8');
  writeFileSync(join(small.folder, 'train.jsonl'), `${readFileSync(join(small.folder, 'train.jsonl'), 'utf8')}${rows}`);
  const targets = { laptop: { provider: 'laptop', model: 'base-laptop' } };
  writeFileSync(small.path, JSON.stringify({ ...(JSON.parse(readFileSync(small.path, 'utf8')) as object), targets }));
  await small.orchestrator.submit(await small.orchestrator.load(small.path));
  await small.orchestrator.wait(['small']);
  const leak = '12 rows of the test data have the same input as a training row: the scores will be too high';
  const toLeaks = (comparisons: readonly Comparison[]): string[] => comparisons[0]!.notes.filter((note) => note.includes('same input'));
  expect(toLeaks(await small.orchestrator.compare('small/laptop'))).toEqual([leak]);
  expect(toLeaks(await small.orchestrator.evaluate('small'))).toEqual([`small/laptop#2: ${leak}`]);
  expect(toLeaks(await small.orchestrator.compare('small/other'))).toEqual([]);
});

test('a training whose loss was still falling says so in its notes and under its verdict, once', async () => {
  const { provider } = createLocal();
  const at = new Date(0).toISOString();
  const metrics = Array.from({ length: 40 }, (_, i) => {
    return { name: 'loss', split: 'train', step: i + 1, epoch: null, value: 2 - i / 50, coverage: 'batch', source: 'loss', at } as const;
  });
  const observe: typeof provider.training.observe = async (...args) => ({ ...(await provider.training.observe(...args)), metrics });
  const small = await runSmallJob([{ ...provider, training: { ...provider.training, observe } }]);
  const told = 'the loss was still falling at the end (1.29, 1.97 at first): more epochs or a higher learning rate may help';
  await small.orchestrator.list('small', { look: 'now' });
  const { notes } = await small.orchestrator.run('small/laptop').view();
  expect(notes.filter((note) => note.type === 'warning' && note.message.includes('falling'))).toEqual([{ type: 'warning', message: told }]);
  expect((await small.orchestrator.compare('small'))[0]!.notes).toEqual([told, fewRowsNote]);
});

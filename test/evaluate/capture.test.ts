import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Capture, CaptureProgress } from '../../src/evaluate/capture.ts';
import { readPredictionsFile } from '../../src/evaluate/predictions-file.ts';
import { readSpending } from '../../src/run/budget.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createAnsweringService, toRead, type ServiceSettings } from './answering-service.ts';
import { heldOutRows, runSmallJob, toLines, type SmallJob } from './small-job.ts';

/** Right where the text has an even number; an untrained model says yes to everything. */
const say: ServiceSettings['say'] = (row, tuned) => (tuned && Number(/\d+/.exec(toRead(row))) % 2 === 0 ? 'no' : 'yes');

const references = { old: { provider: 'paid', model: 'ft:old' }, file: { predictions: './old.jsonl' }, program: { command: ['cat'] } };

interface Fixture extends SmallJob {
  readonly service: ReturnType<typeof createAnsweringService>;
  /** Where a capture is written. */
  readonly out: string;
  readonly data: string;
  capture(name: string, options?: object): Promise<Capture>;
}

async function open(settings: Partial<ServiceSettings> = {}, job: object = {}): Promise<Fixture> {
  const service = createAnsweringService({ say, ...settings });
  const small = await runSmallJob([service.provider], job as Readonly<Record<string, unknown>>);
  const [out, data] = ['old.jsonl', 'test.jsonl'].map((name) => join(small.folder, name)) as [string, string];
  const capture: Fixture['capture'] = async (name, options = {}) =>
    await small.orchestrator.capture(name, { data, out, maxUsd: 1, ...options });
  return { ...small, service, out, data, capture };
}

const readLines = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('a tuned model answers the rows of a file, in their order; the file holds everything that is known', async () => {
  const { capture, out, folder, service } = await open({}, { evaluation: { generation: { temperature: 0, maxTokens: 4 } } });
  const begun = Date.now();
  const captured = await capture('small/paid');
  expect(captured).toEqual({
    name: 'small-paid',
    model: expect.stringMatching(/^ft:/) as string,
    rows: 12,
    unanswered: 0,
    unparseable: 0,
    truncated: 0,
    asked: 12,
    usd: expect.closeTo(12 * 0.0012, 9) as number,
    path: out,
    sha256: createHash('sha256').update(readFileSync(out)).digest('hex'),
  });
  const lines = readLines(out);
  expect(lines.map(({ text, expected }) => ({ text, label: expected }))).toEqual(heldOutRows);
  expect(lines[3]).toEqual({
    text: 'text 3',
    answer: 'yes',
    truncated: false,
    latency_ms: 103,
    tokens: { input: 10, output: 2 },
    expected: 'yes',
    model: captured.model,
    asked: { provider: 'paid', prompt: expect.stringMatching(/^[0-9a-f]{64}$/) as string, temperature: 0, max_tokens: 4 },
    at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
  });
  expect(Date.parse(lines[3]!['at'] as string)).toBeGreaterThanOrEqual(begun);
  expect(service.asked).toHaveLength(12);
  const store = openStore(join(folder, 'state'));
  expect(await readSpending(store, 'small', null)).toEqual({ spentUsd: 1 + 0.0144, reservedUsd: 0, unknown: 0 });
  await store.destroy();
});

test('captures and evaluations share their answers: no request is sent twice', async () => {
  const { capture, orchestrator, path, service, out } = await open({}, { references: { old: references.old } });
  await capture('old', { job: path });
  const first = readFileSync(out);
  expect(await capture('old', { job: path })).toMatchObject({ asked: 0, usd: expect.closeTo(0.0144, 9) as number });
  expect(readFileSync(out)).toEqual(first);
  expect(service.asked).toHaveLength(12);
  await orchestrator.evaluate(path, { maxUsd: 1 });
  expect(service.asked.filter(({ model }) => model === 'ft:old')).toHaveLength(12);
  expect(service.asked).toHaveLength(36); // the base and the tuned model
  expect(await capture('small/paid', { out: join(out, '..', 'tuned.jsonl') })).toMatchObject({ asked: 0 });
  expect(service.asked).toHaveLength(36);
});

test('the file scores as the live model did', async () => {
  const { capture, orchestrator, path, service } = await open({}, { references: { old: references.old } });
  const [live] = await orchestrator.evaluate(path, { maxUsd: 1 });
  await capture('old', { job: path });
  const job = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...job, references: { old: { predictions: './old.jsonl' } } }));
  const asked = service.asked.length;
  const [later] = await orchestrator.compare(path);
  const toOld = (comparison: typeof live): object => {
    const { measures, latency } = comparison!.candidates.find(({ name }) => name === 'old')!;
    return { measures, latency };
  };
  expect(toOld(later)).toEqual(toOld(live));
  expect(toOld(later)).toMatchObject({ measures: { accuracy: 6 / 12 } });
  expect(service.asked).toHaveLength(asked);
});

test('any model of a service, with rows that have no answer: the file holds the input and the answer', async () => {
  const { capture, folder, out, service } = await open({ say: (row) => `heard ${toRead(row)}` });
  const data = join(folder, 'prompts.jsonl');
  const rows = [
    { text: 'hello' },
    {
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hi' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
    },
    {
      messages: [
        { role: 'user', content: 'and now?' },
        { role: 'assistant', content: 'now' },
      ],
      id: 7,
    },
  ];
  writeFileSync(data, toLines(rows));
  const generation = { temperature: 0.5, maxTokens: 9 };
  const captured = await capture('any', { data, provider: 'paid', model: 'some-model', generation });
  expect(captured).toMatchObject({ name: 'any', model: 'some-model', rows: 3, unparseable: null });
  expect(readLines(out)).toMatchObject([
    { text: 'hello', answer: 'heard hello', asked: { provider: 'paid', temperature: 0.5, max_tokens: 9 } },
    { ...rows[1], answer: 'heard hi' },
    { messages: rows[2]!.messages!.slice(0, 1), answer: 'heard and now?', expected: 'now' },
  ]);
  expect(readLines(out)[0]).not.toHaveProperty('asked.prompt');
  expect(service.asked.map(({ row }) => row)).toMatchObject([
    { messages: [{ role: 'user', content: 'hello' }] },
    { messages: rows[1]!.messages, tools: rows[1]!.tools },
    { messages: rows[2]!.messages!.slice(0, 1) },
  ]);
  expect(service.asked[0]!.context).toMatchObject({ generation, concurrency: 8 });
  expect((await readPredictionsFile(out)).size).toBe(3);
});

test('a classifier on this machine costs nothing, reads the texts, and has the name of its run', async () => {
  const { capture, out, service } = await open({ id: 'laptop', kind: 'folder', price: 'free', trainingUsd: 0 });
  const captured = await capture('small', { maxUsd: undefined, limit: 2 });
  expect(captured).toMatchObject({ name: 'small-laptop', model: 'small/laptop', rows: 2, unparseable: 0, usd: 0 });
  expect(readLines(out)).toMatchObject([{ text: 'text 0', model: 'small/laptop', asked: { provider: 'laptop' } }, { text: 'text 1' }]);
  expect(service.asked.map(({ row }) => toRead(row))).toEqual(['text 0', 'text 1']);
});

test('columns are those of the job, or those of the options', async () => {
  const { capture, folder, out } = await open();
  const data = join(folder, 'other.csv');
  writeFileSync(data, 'body,team\ntext 4,no\n');
  await expect(capture('small/paid', { data })).rejects.toMatchObject({
    message: expect.stringContaining('expected a column "text"') as string,
  });
  await capture('small/paid', { data, columns: { text: 'body', label: 'team' } });
  expect(readLines(out)).toMatchObject([{ text: 'text 4', answer: 'no', expected: 'no' }]);
});

test('a file may grow; one with other lines is not overwritten, and nothing is sent', async () => {
  const { capture, out, folder, service } = await open();
  expect(await capture('small/paid', { limit: 5 })).toMatchObject({ rows: 5, asked: 5 });
  const five = readFileSync(out, 'utf8');
  expect(await capture('small/paid')).toMatchObject({ rows: 12, asked: 7 });
  expect(readFileSync(out, 'utf8').startsWith(five)).toBe(true);
  const whole = readFileSync(out, 'utf8');
  const refusal = {
    code: 'data-invalid',
    message: `${out}:6: this line would be lost: it is not one of the answers of this capture`,
  };
  await expect(capture('small/paid', { limit: 5 })).rejects.toMatchObject(refusal);
  expect(readFileSync(out, 'utf8')).toBe(whole);
  writeFileSync(out, '{"text": "by hand", "answer": "yes"}\n');
  const data = join(folder, 'train.jsonl');
  await expect(capture('small/paid', { data })).rejects.toMatchObject({
    message: expect.stringContaining(`${out}:1: this line would be lost`) as string,
  });
  expect(service.asked).toHaveLength(12);
});

test.each([
  ['nothing says how much', { maxUsd: undefined }, {}, /and no spending limit is set; nothing was sent$/],
  ['the flag allows less', { maxUsd: 0.01 }, {}, /--max-usd allows \$0\.01; nothing was sent$/],
  ['the budget of the job has less left', {}, { budget: { usd: 1.01 } }, /^the job "small" has a budget of \$1\.01: \$1\.00 spent/],
])('refused before anything is sent, for a run and for a reference: %s', async (_, options, job, message) => {
  const { capture, service, out, path } = await open({}, { ...job, references: { old: references.old } });
  const refusal = { code: 'budget-exceeded', message: expect.stringMatching(message) as string };
  await expect(capture('small/paid', options)).rejects.toMatchObject(refusal);
  await expect(capture('old', { job: path, ...options })).rejects.toMatchObject(refusal);
  expect(service.asked).toEqual([]);
  expect(existsSync(out)).toBe(false);
});

test('a model without a job has no budget but the flag', async () => {
  const { capture, service } = await open({}, { budget: { usd: 1.01 } });
  await expect(capture('any', { provider: 'paid', model: 'm', maxUsd: undefined })).rejects.toMatchObject({ code: 'budget-exceeded' });
  expect(await capture('any', { provider: 'paid', model: 'm', maxUsd: 2 })).toMatchObject({ asked: 12 });
  expect(service.asked).toHaveLength(12);
});

test('a service that fails half-way: its answers are stored and paid, there is no file, and the next capture continues', async () => {
  const { capture, service, out } = await open({}, {});
  service.beforeAnswer = (answered) => {
    if (answered === 7) throw new Error('the service went away');
  };
  const seen: CaptureProgress[] = [];
  const onProgress = (progress: CaptureProgress): void => void seen.push(progress);
  await expect(capture('small/paid', { onProgress })).rejects.toThrow('the service went away');
  expect(existsSync(out)).toBe(false);
  service.beforeAnswer = () => {};
  expect(await capture('small/paid', { onProgress })).toMatchObject({ rows: 12, asked: 5 });
  expect(seen.map(({ done }) => done)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12]);
  expect(seen.at(-1)).toEqual({ rows: 12, done: 12, usd: expect.closeTo(0.0144, 9) as number });
  expect(service.asked).toHaveLength(12);
});

test('equal rows are sent once and written twice; odd answers are counted', async () => {
  const said = ['yes', null, 'Perhaps', 'no'];
  const { capture, service, folder, out } = await open({ say: (row) => said[Number(toRead(row))] ?? null });
  const data = join(folder, 'rows.jsonl');
  writeFileSync(data, toLines(['0', '1', '2', '3', '0'].map((text) => ({ text }))));
  expect(await capture('small/paid', { data })).toMatchObject({ rows: 5, unanswered: 1, unparseable: 1, asked: 5 });
  expect(readLines(out).map(({ answer }) => answer)).toEqual([...said, 'yes']);
  expect(service.asked).toHaveLength(4);
  expect((await readPredictionsFile(out)).size).toBe(4);
});

test.each([
  [
    'an unknown name',
    'nobody',
    {},
    'run-not-found',
    'expected a reference of JOB (it has old, file, program), or a run such as "job/target", found "nobody"',
  ],
  [
    'a file of answers',
    'file',
    {},
    'usage',
    'JOB: expected references.file to be a model of a service, found a file of answers: ./old.jsonl',
  ],
  ['a command', 'program', {}, 'usage', 'JOB: expected references.program to be a model of a service, found a command'],
  ['half of a model', 'any', { provider: 'paid' }, 'usage', 'expected --provider and --model together'],
  [
    'an unknown provider',
    'any',
    { provider: 'nobody', model: 'm' },
    'job-file-invalid',
    /^--provider: expected a provider that is one of .*, found "nobody"$/,
  ],
  ['a name that is none', '../any', { provider: 'paid', model: 'm' }, 'usage', /^expected a name of 1 to 32 characters/],
  [
    'settings beside a job',
    'old',
    { generation: { seed: 1 } },
    'usage',
    '--max-tokens and --temperature go with --provider and --model, and not with a job or a run',
  ],
  ['another ending', 'old', { out: 'old.csv' }, 'usage', 'expected a file that ends in .jsonl for the answers, found old.csv'],
  ['no data', 'old', { data: '/nowhere.jsonl' }, 'file-missing', 'data file not found: /nowhere.jsonl'],
])('refused: %s', async (_, name, options, code, message) => {
  const { capture, path, service } = await open({}, { references });
  const job = 'provider' in options ? {} : { job: path };
  const refusal = await capture(name, { ...job, ...options }).catch((error: unknown) => error as { code: string; message: string });
  expect(refusal).toMatchObject({ code });
  expect((refusal as { message: string }).message.replaceAll(path, 'JOB')).toMatch(message);
  expect(service.asked).toEqual([]);
});

test('for a job with two models the target must be named', async () => {
  const services = ['one', 'two'].map((id) => createAnsweringService({ id, say }).provider);
  const { orchestrator, folder } = await runSmallJob(services);
  await expect(orchestrator.capture('small', { data: join(folder, 'test.jsonl') })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^expected one model, but "small" names several: small\/(one|two), small\/(one|two)$/) as string,
  });
});

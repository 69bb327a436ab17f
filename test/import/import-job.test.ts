import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import type { Context } from '../../src/provider/context.ts';
import { isFailure } from '../../src/errors.ts';
import { importJob } from '../../src/import/import-job.ts';
import { createImportRecord, writeImportRecord, type ImportRecord } from '../../src/import/import-record.ts';
import type { Fault, RequestKind } from '../../src/sandbox/main.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { canaryKey, createSandboxFixture, type SandboxFixture } from '../providers/openai-compatible/fixture.ts';
import { createScratchFolder } from '../scratch.ts';
import { createJob, deleteFile, toChatText, toPreferenceText, uploadText, type Asking } from './service-jobs.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const fixed = new Date('2026-11-25T12:00:00Z');

function toContext(fixture: SandboxFixture): Context {
  return { ...fixture.toAttempt(), now: () => fixed };
}

async function importInto(fixture: SandboxFixture, id: string, folder: string, context = toContext(fixture)): Promise<ImportRecord> {
  return await importJob(fixture.provider, { id, folder }, context);
}

function toAsking({ sandbox, id }: SandboxFixture): Asking {
  return { sandbox, apiKey: canaryKey, dialect: id };
}

function readFolder(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]));
}

const reads: readonly RequestKind[] = ['list', 'get', 'events', 'checkpoints', 'file', 'files', 'content', 'models'];

/** What was asked since. */
function toKinds(fixture: SandboxFixture, from: number): RequestKind[] {
  return fixture.sandbox
    .account(canaryKey)
    .requests.slice(from)
    .map(({ kind }) => kind);
}

/** A job that has ended, with training and validation data. */
async function createEndedJob(fixture: SandboxFixture, more: object = {}): Promise<{ id: string; train: string; validation: string }> {
  const asking = toAsking(fixture);
  const train = await uploadText(asking, toChatText(20));
  const validation = await uploadText(
    asking,
    toChatText(10, (i) => `Something else that was answered to question ${i}, at length.`),
  );
  fixture.sandbox.step(1000); // Azure reads files for a while
  const id = await createJob(asking, { model: base, training_file: train, validation_file: validation, suffix: 'my-model', ...more });
  fixture.sandbox.step(10_000);
  return { id, train, validation };
}

describe.each(['openai', 'azure'] as const)('a job of %s', (dialect) => {
  test('comes home whole, and its job file is one', async () => {
    await using fixture = await createSandboxFixture({ service: dialect, pageSize: 7 });
    const { id } = await createEndedJob(fixture, { metadata: { team: 'search' }, seed: 11 });
    const from = fixture.sandbox.account(canaryKey).requests.length;
    const folder = join(createScratchFolder(), 'new', id);
    const record = await importInto(fixture, id, folder);
    const files = readFolder(folder);

    const [result] = fixture.sandbox.account(canaryKey).jobs[0]!.result_files;
    const names = ['IMPORT.json', 'checkpoints.json', 'events.jsonl', 'job-record.json', 'job.jsonc', `results-${result!}.csv`];
    expect(Object.keys(files)).toEqual([...names, 'train.jsonl', 'validation.jsonl']);
    expect(files['train.jsonl']).toBe(toChatText(20));
    expect(files[`results-${result!}.csv`]).toMatch(/^step,train_loss,/);
    expect(files['events.jsonl']!.split('\n').length).toBeGreaterThan(30);
    const times = files['events.jsonl']!.trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { created_at: number }).created_at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(JSON.parse(files['checkpoints.json']!)).toHaveLength(3);
    expect(JSON.parse(files['job-record.json']!)).toMatchObject({ id, model: base, status: 'succeeded', seed: 11 });
    expect(record).toMatchObject({ complete: true, missing: [], notes: [], status: 'succeeded', base, at: fixed.toISOString() });
    expect(JSON.parse(files['IMPORT.json']!)).toEqual(record);
    expect(record.files.map(({ name }) => name).sort()).toEqual(
      Object.keys(files)
        .filter((name) => name !== 'IMPORT.json')
        .sort(),
    );
    for (const { name, bytes } of record.files) expect(files[name]).toHaveLength(bytes);

    const { spec } = await readJobFile(join(folder, 'job.jsonc'));
    expect(spec).toMatchObject({
      name: 'my-model',
      task: 'chat',
      data: { train: './train.jsonl', validation: './validation.jsonl' },
      training: {
        method: 'sft',
        epochs: expect.any(Number) as number,
        learningRate: { multiplier: expect.any(Number) as number },
        seed: 11,
      },
      targets: { [dialect]: { provider: dialect, model: base, options: { suffix: 'my-model' }, native: { metadata: { team: 'search' } } } },
    });
    expect(toKinds(fixture, from).filter((kind) => !reads.includes(kind))).toEqual([]);
    expect(Object.values(files).join('')).not.toContain(canaryKey);

    const asked = fixture.sandbox.account(canaryKey).requests.length;
    expect(await importInto(fixture, id, folder, { ...toContext(fixture), now: () => new Date('2027-01-01') })).toEqual(record);
    expect(readFolder(folder)).toEqual(files);
    expect(toKinds(fixture, asked)).toEqual([]);
  });

  test('without its files: what is gone is said, and the rest is there', async () => {
    await using fixture = await createSandboxFixture({ service: dialect });
    const { id, train, validation } = await createEndedJob(fixture);
    await deleteFile(toAsking(fixture), train);
    const folder = createScratchFolder();
    const record = await importInto(fixture, id, folder);
    expect(record).toMatchObject({
      complete: false,
      missing: [`train.jsonl (${train}): it is gone at the service`],
      notes: ['the training data is no longer at the service: the job cannot become a run'],
    });
    expect(readFileSync(join(folder, 'job.jsonc'), 'utf8')).toContain('no longer at the service: put the rows here');
    const files = readFolder(folder);
    expect(Object.keys(files)).toContain('validation.jsonl');
    await importInto(fixture, id, folder, { ...toContext(fixture), now: () => new Date('2027-01-01') });
    expect(readFolder(folder)).toEqual(files);

    await deleteFile(toAsking(fixture), validation);
    const other = createScratchFolder();
    expect((await importInto(fixture, id, other)).missing).toHaveLength(2);
    expect((await readJobFile(join(other, 'job.jsonc'))).spec.data).toEqual({ train: './train.jsonl' });
  });

  test('that trains on pairs is a preference job', async () => {
    await using fixture = await createSandboxFixture({ service: dialect });
    const train = await uploadText(toAsking(fixture), toPreferenceText(12));
    fixture.sandbox.step(1000);
    const method = { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 2 } } };
    const id = await createJob(toAsking(fixture), { model: base, training_file: train, method });
    fixture.sandbox.step(10_000);
    const folder = createScratchFolder();
    expect((await importInto(fixture, id, folder)).notes).toEqual([]);
    const { spec } = await readJobFile(join(folder, 'job.jsonc'));
    expect(spec).toMatchObject({ name: id.toLowerCase(), task: 'preference', training: { method: 'dpo', epochs: 2, beta: 0.2 } });
  });
});

describe('chats that ask for labels', () => {
  const names = ['job.classification.jsonc', 'train.classification.jsonl', 'validation.classification.jsonl'];

  async function importLabelled(fixture: SandboxFixture, folder: string, validation: string): Promise<ImportRecord> {
    const train = toChatText(20, (i) => ['yes', 'no', 'maybe'][i % 3]!);
    const files = [await uploadText(toAsking(fixture), train), await uploadText(toAsking(fixture), validation)];
    const id = await createJob(toAsking(fixture), { model: base, training_file: files[0]!, validation_file: files[1]!, suffix: 'mine' });
    fixture.sandbox.step(10_000);
    return await importInto(fixture, id, folder);
  }

  test('come home as a classification too, and the chat job is what it was', async () => {
    await using fixture = await createSandboxFixture();
    const folder = createScratchFolder();
    const record = await importLabelled(
      fixture,
      folder,
      toChatText(10, () => 'no'),
    );
    expect(record.notes).toEqual([
      'each answer is one of 3 short texts: job.classification.jsonc has them as a classification, for a model of your own',
    ]);
    expect(record.files.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect((await readJobFile(join(folder, 'job.jsonc'))).spec).toMatchObject({ name: 'mine', task: 'chat' });
    expect((await readJobFile(join(folder, 'job.classification.jsonc'))).spec).toEqual({
      version: 1,
      name: 'mine-classifier',
      task: 'classification',
      data: { train: './train.classification.jsonl', validation: './validation.classification.jsonl' },
      prompt: { system: 'Answer.' },
      evaluation: { generation: { temperature: 0, maxTokens: 16 } },
      targets: { local: { provider: 'local', model: './model' } },
    });
    const rows = readFileSync(join(folder, 'train.classification.jsonl'), 'utf8').trim().split('\n');
    expect(rows).toHaveLength(20);
    expect(rows.slice(0, 2)).toEqual(['{"text":"question 0","label":"yes"}', '{"text":"question 1","label":"no"}']);
    expect(readFileSync(join(folder, 'validation.classification.jsonl'), 'utf8')).toContain('{"text":"question 9","label":"no"}\n');
  });

  test.each([
    ['answers that are none of them', toChatText(10)],
    ['another system message', toChatText(10, () => 'no').replaceAll('Answer.', 'Say it.')],
  ])('with validation rows of %s, come home without those', async (_, validation) => {
    await using fixture = await createSandboxFixture();
    const folder = createScratchFolder();
    const record = await importLabelled(fixture, folder, validation);
    expect(record.notes).toContain('job.classification.jsonc has no validation: some of its rows are not such questions');
    expect(record.files.map(({ name }) => name)).not.toContain('validation.classification.jsonl');
    expect((await readJobFile(join(folder, 'job.classification.jsonc'))).spec.data).toEqual({ train: './train.classification.jsonl' });
  });

  test('stay as somebody has changed them', async () => {
    await using fixture = await createSandboxFixture({ settings: { jobMs: 100_000 } });
    const folder = createScratchFolder();
    const rows = toChatText(10, () => 'no');
    const { id } = await importLabelled(fixture, folder, rows);
    for (const name of names) writeFileSync(join(folder, name), `${readFileSync(join(folder, name), 'utf8')}\n`);
    const changed = readFolder(folder);
    fixture.sandbox.step(100_000);
    expect(await importInto(fixture, id, folder)).toMatchObject({ complete: true });
    expect(names.map((name) => readFolder(folder)[name])).toEqual(names.map((name) => changed[name]));
  });
});

test('a job that runs is brought home as far as it is, and again later; a job file that was changed stays', async () => {
  await using fixture = await createSandboxFixture({ settings: { jobMs: 10_000 } });
  const train = await uploadText(toAsking(fixture), toChatText(20));
  const id = await createJob(toAsking(fixture), { model: base, training_file: train });
  fixture.sandbox.step(5000);
  const folder = createScratchFolder();
  expect(await importInto(fixture, id, folder)).toMatchObject({ complete: false, status: 'running', model: null });
  const events = readFileSync(join(folder, 'events.jsonl'), 'utf8');
  const edited = `${readFileSync(join(folder, 'job.jsonc'), 'utf8')}// mine\n`;
  writeFileSync(join(folder, 'job.jsonc'), edited);
  fixture.sandbox.step(10_000);
  expect(await importInto(fixture, id, folder)).toMatchObject({ complete: true, status: 'succeeded', model: expect.any(String) as string });
  expect(readFileSync(join(folder, 'events.jsonl'), 'utf8').length).toBeGreaterThan(events.length);
  expect(readFileSync(join(folder, 'job.jsonc'), 'utf8')).toBe(edited);
});

test('a failed job comes home with the reason of its failure', async () => {
  await using fixture = await createSandboxFixture({ settings: { jobError: { code: 'server_error', message: 'it broke' } } });
  const { id } = await createEndedJob(fixture);
  const folder = createScratchFolder();
  expect(await importInto(fixture, id, folder)).toMatchObject({ complete: true, status: 'failed', model: null });
  expect(readFileSync(join(folder, 'job-record.json'), 'utf8')).toContain('it broke');
});

test('a folder with something else in it is not touched', async () => {
  await using fixture = await createSandboxFixture();
  const { id } = await createEndedJob(fixture);
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'train.jsonl'), 'mine');
  await expect(importInto(fixture, id, folder)).rejects.toMatchObject({ code: 'usage', hint: 'name another folder with --out' });
  expect(readFolder(folder)).toEqual({ 'train.jsonl': 'mine' });
  const other = createScratchFolder();
  await importInto(fixture, id, other);
  const files = readFolder(other);
  await expect(importInto(fixture, 'ftjob-other', other)).rejects.toMatchObject({ code: 'usage' });
  expect(readFolder(other)).toEqual(files);
});

test('a job that is not there, and a page of a proxy, are failures that leave no data', async () => {
  await using fixture = await createSandboxFixture();
  const { id } = await createEndedJob(fixture);
  const folder = createScratchFolder();
  const taken = join(folder, 'a');
  await expect(importInto(fixture, 'ftjob-none', taken)).rejects.toMatchObject({ code: 'request-refused' });
  expect(existsSync(taken)).toBe(false);
  mkdirSync(taken);
  await expect(importInto(fixture, 'ftjob-none', taken)).rejects.toMatchObject({ code: 'request-refused' });
  expect(readFolder(taken)).toEqual({});
  // What an import of a wrong id has left, that was killed or is older, is no other import.
  await writeImportRecord(taken, createImportRecord('openai', 'ft:a-model'));
  expect(await importInto(fixture, id, taken)).toMatchObject({ id, complete: true });
  for (const kind of ['get', 'file', 'content', 'events', 'checkpoints'] as const) {
    fixture.sandbox.setFaults({ [kind]: [{ type: 'html' }] }, canaryKey);
    await expect(importInto(fixture, id, join(folder, kind)), kind).rejects.toMatchObject({ code: 'response-invalid' });
    const left = existsSync(join(folder, kind)) ? readFolder(join(folder, kind)) : {};
    expect(JSON.stringify(left)).not.toContain('please log in');
    expect('train.jsonl' in left, kind).toBe(kind === 'events' || kind === 'checkpoints'); // what is here is not downloaded again
  }
});

describe('an import that was interrupted', () => {
  let fixture: SandboxFixture;
  let id: string;
  let whole: Record<string, string>;
  let folder: string;

  beforeAll(async () => {
    fixture = await createSandboxFixture({ pageSize: 40 });
    ({ id } = await createEndedJob(fixture));
    folder = join(fixture.folder, 'whole');
    await importInto(fixture, id, folder);
    whole = readFolder(folder);
  });
  afterAll(async () => await fixture.close());

  const faults: readonly Fault[] = (['drop-before', 'drop-after', '500-before', 'cut', 'html', '429'] as const).map((type) => ({ type }));
  const kinds = ['get', 'file', 'content', 'events', 'checkpoints'] as const;
  const cases = kinds.flatMap((kind) => faults.map((fault) => ({ kind, fault })));

  test.each(cases)('by $fault.type of $kind, at each of its requests: goes on to the same folder', async ({ kind, fault }) => {
    let failures = 0;
    for (let at = 0; at < 10; at++) {
      const here = join(fixture.folder, `${kind}-${fault.type}-${at}`);
      fixture.sandbox.setFaults(
        { [kind]: [...Array.from({ length: at }, () => ({ type: 'ok' as const })), ...Array.from({ length: 12 }, () => fault)] },
        canaryKey,
      );
      const isDone = await importInto(fixture, id, here).then(
        () => true,
        (error: unknown) => {
          expect(isFailure(error)).toBe(true);
          return false;
        },
      );
      fixture.sandbox.setFaults({}, canaryKey);
      expect((existsSync(here) ? readdirSync(here) : []).filter((name) => name.startsWith('.'))).toEqual([]);
      if (isDone) break;
      failures++;
      await importInto(fixture, id, here);
      expect(readFolder(here)).toEqual(whole);
    }
    expect(failures).toBeGreaterThan(0);
  });

  test('once each, by drops, errors and cut answers: they are asked again, and the folder is the same', async () => {
    for (const type of ['drop-before', 'drop-after', '500-before', '500-after', 'cut', '429'] as const) {
      const here = join(fixture.folder, `once-${type}`);
      fixture.sandbox.setFaults(Object.fromEntries(kinds.map((kind) => [kind, [{ type }]])), canaryKey);
      await importInto(fixture, id, here);
      fixture.sandbox.setFaults({}, canaryKey);
      expect(readFolder(here)).toEqual(whole);
    }
  });

  test('by a power cut between any two files, or in the middle of one: goes on to the same folder', async () => {
    const names = ['train.jsonl', 'validation.jsonl', Object.keys(whole).find((name) => name.startsWith('results-'))!];
    const order = [...names, 'events.jsonl', 'checkpoints.json', 'job-record.json', 'job.jsonc', 'IMPORT.json'];
    for (let count = 0; count < order.length; count++) {
      const here = join(fixture.folder, `cut-${count}`);
      mkdirSync(here);
      const begun = { schema: 'orchestrate.import/1', at: null, provider: 'openai', id, job: null, status: null, base: null };
      const record = { ...begun, model: null, complete: false, files: [], missing: [], notes: [] };
      writeFileSync(join(here, 'IMPORT.json'), JSON.stringify(record));
      for (const name of order.slice(0, count)) cpSync(join(folder, name), join(here, name));
      writeFileSync(join(here, `.${order[count]!}.part`), 'half a f');
      await importInto(fixture, id, here);
      expect(readFolder(here)).toEqual(whole);
    }
  });

  test('before anything was said in the folder: begins', async () => {
    const here = join(fixture.folder, 'nothing');
    mkdirSync(here);
    writeFileSync(join(here, '.IMPORT.json.part'), '{"sch');
    await importInto(fixture, id, here);
    expect(readFolder(here)).toEqual(whole);
  });

  test('a file that was deleted since comes back', async () => {
    const here = join(fixture.folder, 'deleted');
    cpSync(folder, here, { recursive: true });
    rmSync(join(here, 'validation.jsonl'));
    await importInto(fixture, id, here);
    expect(existsSync(join(here, 'validation.jsonl'))).toBe(true);
    expect(readFolder(here)).toEqual(whole);
  });
});

test('files above what is held of an answer elsewhere come as they are', async () => {
  await using fixture = await createSandboxFixture();
  const text = toChatText(300, (i) => `${i} ${'long '.repeat(8000)}`);
  expect(text.length).toBeGreaterThan(10_000_000);
  const train = await uploadText(toAsking(fixture), text);
  const id = await createJob(toAsking(fixture), { model: base, training_file: train });
  fixture.sandbox.step(10_000);
  const folder = createScratchFolder();
  await importInto(fixture, id, folder);
  expect(readFileSync(join(folder, 'train.jsonl'), 'utf8') === text).toBe(true);
});

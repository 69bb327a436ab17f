import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Comparison, Provider } from '../../src/index.ts';
import { tinyBert } from '../cli/write-job.ts';
import { listFailedRequirements } from '../../src/evaluate/comparison.ts';
import { createAnsweringService } from './answering-service.ts';
import { createLocal, fewRowsNote, heldOutRows, runSmallJob, sayRight, toLines, type SmallJob } from './small-job.ts';

/** Writes references into the job file after its runs were submitted. */
function addReferences({ path }: SmallJob, references: object): void {
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), references }));
}

const toScores = ({ candidates }: Comparison): unknown[] => candidates.map(({ name, kind, measures }) => [name, kind, measures.accuracy]);

test('an existing model of a service answers and is paid for like a tuned one, by evaluate alone', async () => {
  const [local, paid] = [createLocal(), createAnsweringService({ say: sayRight })];
  const references = { old: { provider: 'paid', model: 'ft:old' } };
  const targets = { laptop: { provider: 'laptop', model: 'base' } };
  const { orchestrator } = await runSmallJob([local.provider, paid.provider], { references, targets });
  const [before] = await orchestrator.compare('small');
  expect(before).toMatchObject({ reference: null, leftOut: [] });
  expect(before!.notes).toEqual([
    'old has answered 0 of 12 rows and is left out: `orchestrate evaluate small` fetches its answers',
    fewRowsNote,
    'the reference old is left out, so that there is no verdict',
  ]);
  expect(listFailedRequirements([before!], 'not-worse')).toEqual(['laptop is compared with nothing']);
  expect(await orchestrator.estimate('small')).toMatchObject({ low: expect.closeTo(0.012, 9) as number });
  await expect(orchestrator.evaluate('small')).rejects.toMatchObject({ code: 'budget-exceeded' });
  await expect(orchestrator.evaluate('small', { maxUsd: 0.1 })).rejects.toThrow('12 answers would cost $0.012 to $0.14');
  expect(paid.asked).toEqual([]);

  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(toScores(comparison!)).toEqual([
    ['most frequent label', 'majority', 8 / 12],
    ['untrained head', 'untrained', 4 / 12],
    ['old', 'reference', 1],
    ['laptop', 'tuned', 1],
  ]);
  expect(comparison).toMatchObject({ reference: 'old', notes: [fewRowsNote] });
  expect(comparison!.candidates[2]).toMatchObject({ run: null, difference: null, verdict: null, latency: 105.5 });
  expect(comparison!.candidates[2]!.cost).toBeCloseTo(12 * 0.0012, 9);
  expect(comparison!.candidates[3]).toMatchObject({ difference: 0, verdict: 'equivalent' });
  expect(await orchestrator.compare('small')).toEqual([comparison]);
  expect(paid.asked).toHaveLength(12);
  expect(new Set(paid.asked.map(({ model }) => model))).toEqual(new Set(['ft:old']));
});

test('answers in a file cost nothing; references that were added to the job file later count', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, folder } = small;
  const kept = heldOutRows.slice(2).map(({ text, label }, i) => ({ text, answer: i === 0 ? 'maybe' : ` ${label}.`, latency_ms: 20 + i }));
  writeFileSync(join(folder, 'old.jsonl'), toLines([...kept, { text: 'another', answer: 'yes' }]));
  addReferences(small, { old: { predictions: './old.jsonl' } });
  const [comparison] = await orchestrator.compare('small');
  expect(comparison!.reference).toBe('old');
  expect(comparison!.candidates[2]).toMatchObject({
    name: 'old',
    kind: 'reference',
    run: null,
    measures: { accuracy: 9 / 12 },
    unparseable: 3,
    latency: 24.5,
    cost: null,
  });
  expect(comparison!.candidates[3]!.difference).toBeCloseTo(3 / 12, 9);
  expect(comparison!.notes).toEqual([`old: 2 of 12 rows are not in ${join(folder, 'old.jsonl')}`, fewRowsNote]);
  expect(await orchestrator.evaluate(small.path)).toEqual([comparison]);
});

test.each([
  ['that the job makes', '', 'Answer with exactly one of these labels: "no", "yes".'],
  ['with its system message alone', 'Say yes or no.', 'Say yes or no.'],
  ['without a system message', '', null],
])('answers to the chat of a row %s are answers to the row', async (_, system, asked) => {
  const small = await runSmallJob([createLocal().provider], { prompt: { system, template: 'Text: {text}' } });
  const before = asked === null ? [] : [{ role: 'system', content: asked }];
  const kept = heldOutRows.map(({ text, label }) => ({
    messages: [...before, { role: 'user', content: `Text: ${text}` }],
    answer: label,
  }));
  writeFileSync(join(small.folder, 'old.jsonl'), toLines(kept));
  const [comparison] = await small.orchestrator.compare('small', { reference: join(small.folder, 'old.jsonl') });
  expect(comparison!.candidates[2]).toMatchObject({ kind: 'reference', measures: { accuracy: 1 }, unparseable: 0 });
});

test('a file with none of the rows is left out, and so is an unreadable one; evaluate says so before anything is sent', async () => {
  const [local, paid] = [createLocal(), createAnsweringService({ say: sayRight })];
  const small = await runSmallJob([local.provider, paid.provider]);
  const { orchestrator, folder, path } = small;
  const other = join(folder, 'other.jsonl');
  writeFileSync(other, toLines([{ text: 'another', answer: 'yes' }]));
  writeFileSync(join(folder, 'bad.jsonl'), '{"text": "text 1"\n');
  const references = {
    other: { predictions: './other.jsonl' },
    bad: { predictions: './bad.jsonl' },
    gone: { predictions: './gone.jsonl' },
    nowhere: { provider: 'nowhere', model: 'x' },
  };
  addReferences(small, references);
  const [comparison] = await orchestrator.compare(path);
  expect(comparison!.candidates.filter(({ kind }) => kind === 'reference')).toEqual([]);
  expect(comparison!.notes.slice(0, 4)).toEqual([
    `other: none of the 12 rows is in ${other}: it is left out`,
    expect.stringContaining('bad is left out: ') as string,
    expect.stringContaining('gone is left out: ') as string,
    expect.stringMatching(/^nowhere is left out: references\.nowhere: expected a provider that is one of .*, found "nowhere"$/) as string,
  ]);
  await expect(orchestrator.compare(path, { reference: 'gone' })).rejects.toMatchObject({ code: 'file-missing' });
  expect((await orchestrator.compare(path, { reference: 'other' }))[0]).toMatchObject({ reference: null });
  for (const [name, code] of [
    ['bad', 'data-invalid'],
    ['gone', 'file-missing'],
    ['nowhere', 'job-file-invalid'],
  ] as const) {
    addReferences(small, { [name]: references[name] });
    await expect(orchestrator.evaluate(path, { maxUsd: 1 })).rejects.toMatchObject({ code });
  }
  expect(paid.asked).toEqual([]);
});

test('a provider without models by name cannot have a reference', async () => {
  const { provider } = createAnsweringService({ id: 'nameless', say: sayRight });
  const { getModel: _, ...inference } = provider.inference!;
  const nameless = { ...provider, inference };
  const small = await runSmallJob([createLocal().provider, nameless], { targets: { laptop: { model: 'base' } } });
  addReferences(small, { old: { provider: 'nameless', model: 'x' } });
  await expect(small.orchestrator.evaluate(small.path)).rejects.toMatchObject({
    code: 'job-file-invalid',
    message: 'references.old: the provider "nameless" answers only with models that it has tuned',
  });
});

test('a model in a repository is downloaded by evaluate alone; one that cannot run is left out', async () => {
  const service = createAnsweringService({ id: 'hub', price: 'free', say: sayRight }).provider;
  const fetched: string[] = [];
  const hub: Provider = {
    ...service,
    inference: {
      ...service.inference,
      getModel(name) {
        const [repository, revision] = name.split('@') as [string, string];
        return { kind: 'repository', identity: name, location: 'hub', repository, revision, labels: [], maxLength: 64 };
      },
      async download(model, folder) {
        fetched.push(model.repository);
        cpSync(tinyBert, folder, { recursive: true });
        return await Promise.resolve({ kind: 'folder', identity: model.identity, path: folder, labels: [], seed: 0, maxLength: 64 });
      },
    },
  };
  const references = { old: { provider: 'hub', model: 'owner/old@1' } };
  const { orchestrator } = await runSmallJob([createLocal().provider, hub], { references, targets: { laptop: { model: 'base' } } });
  expect((await orchestrator.compare('small'))[0]!.notes[0]).toContain('old has answered 0 of 12 rows and is left out');
  expect(fetched).toEqual([]);
  const [comparison] = await orchestrator.evaluate('small'); // the small model has no labels
  expect(fetched).toEqual(['owner/old']);
  expect(comparison!.notes[0]).toContain('old has answered 0 of 12 rows and is left out: owner/old is no classifier');
});

const script = `
  import { appendFileSync, readFileSync } from 'node:fs';
  const rows = readFileSync(0, 'utf8').trim().split('\\n').map((line) => JSON.parse(line));
  appendFileSync('calls.txt', rows.length + '\\n');
  for (const { id, text } of rows) console.log(JSON.stringify({ id, answer: Number(/\\d+/.exec(text)[0]) % 3 === 0 ? 'Yes' : 'no', probabilities: { no: 0.5, yes: 0.5 } }));
`;

test('a command answers once, in the folder of the job file, and compare shows its answers', async () => {
  const references = { own: { command: [process.execPath, 'answer.mjs'] } };
  const { orchestrator, folder } = await runSmallJob([createLocal().provider], { references });
  writeFileSync(join(folder, 'answer.mjs'), script);
  const [before] = await orchestrator.compare('small');
  expect(existsSync(join(folder, 'calls.txt'))).toBe(false);
  expect(before!.notes[0]).toBe('own has answered 0 of 12 rows and is left out: `orchestrate evaluate small` fetches its answers');
  await orchestrator.evaluate('small', { limit: 5 });
  const [comparison] = await orchestrator.evaluate('small');
  expect(readFileSync(join(folder, 'calls.txt'), 'utf8')).toBe('5\n7\n');
  expect(comparison).toMatchObject({ reference: 'own', notes: [fewRowsNote] });
  expect(comparison!.candidates[2]).toMatchObject({ name: 'own', kind: 'reference', measures: { accuracy: 1 }, latency: null, cost: null });
  expect(await orchestrator.compare('small')).toEqual([comparison]);
  expect(readFileSync(join(folder, 'calls.txt'), 'utf8')).toBe('5\n7\n');
});

test('a command that fails does so before anything is paid', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const { orchestrator, folder } = await runSmallJob([paid.provider], {
    references: { own: { command: [process.execPath, 'answer.mjs'] } },
  });
  writeFileSync(join(folder, 'answer.mjs'), 'process.exitCode = 9;');
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toThrow('ended with status 9, after 0 of 12 answers');
  expect(paid.asked).toEqual([]);
  writeFileSync(join(folder, 'answer.mjs'), script);
  await expect(orchestrator.evaluate('small', { maxUsd: 0.01 })).rejects.toMatchObject({ code: 'budget-exceeded' });
  expect(existsSync(join(folder, 'calls.txt'))).toBe(false);
  expect((await orchestrator.evaluate('small', { maxUsd: 0.3 }))[0]!.reference).toBe('own'); // nothing was left reserved
});

test('the choice of the reference', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, folder, path } = small;
  const write = (name: string, answer: (label: string) => string): void =>
    writeFileSync(join(folder, name), toLines(heldOutRows.map(({ text, label }) => ({ text, answer: answer(label) }))));
  write('good.jsonl', (label) => label);
  write('bad.jsonl', (label) => (label === 'yes' ? 'no' : 'yes'));
  const references = { good: { predictions: './good.jsonl' }, laptop: { predictions: './bad.jsonl' } };
  addReferences(small, references);
  const compare = async (reference?: string, margin?: number): Promise<[string | null, string | null | undefined]> => {
    const [comparison] = await orchestrator.compare(path, { reference, margin });
    return [comparison!.reference, comparison!.candidates.find(({ kind }) => kind === 'tuned')!.verdict];
  };
  expect(await compare()).toEqual(['most frequent label', 'better']);
  expect((await orchestrator.compare(path))[0]!.notes).toEqual([
    fewRowsNote,
    'the job has 2 references (good, laptop (reference)): --reference compares its runs with one of them',
  ]);
  expect(await compare('good')).toEqual(['good', 'equivalent']);
  expect(await compare('good (reference)')).toEqual(['good', 'equivalent']);
  expect(await compare('laptop')).toEqual(['laptop (reference)', 'better']); // the reference, not the target of its name
  expect(await compare('laptop (tuned)')).toEqual(['laptop', null]);
  expect(await compare('base')).toEqual(['untrained head', 'better']);
  expect(await compare('majority')).toEqual(['most frequent label', 'better']);
  expect(await compare('most frequent label', 0)).toEqual(['most frequent label', 'better']);
  expect(await compare(join(folder, 'bad.jsonl'))).toEqual([join(folder, 'bad.jsonl'), 'better']);
  const unknown = orchestrator.compare(path, { reference: 'better' });
  await expect(unknown).rejects.toMatchObject({ code: 'usage', message: '--reference: there is no model "better" in this comparison' });
  await expect(orchestrator.compare(path, { reference: join(folder, 'none.jsonl') })).rejects.toMatchObject({ code: 'file-missing' });
  await expect(orchestrator.compare(path, { margin: 1.5 })).rejects.toMatchObject({ code: 'usage' });
  expect((await orchestrator.compare(path, { margin: 0.25 }))[0]).toMatchObject({ margin: 0.25 });
});

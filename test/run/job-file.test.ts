import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAnsweringService } from '../evaluate/answering-service.ts';
import {
  createLocal,
  fewRowsNote,
  heldOutRows,
  openSmallJob,
  runSmallJob,
  sayRight,
  toLines,
  type SmallJob,
} from '../evaluate/small-job.ts';

const data = { train: './train.jsonl' };

function change({ path }: SmallJob, fields: object): void {
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...fields }));
}

test('held-out rows that were added after the training are scored, by the file and by the name', async () => {
  const small = await runSmallJob([createLocal().provider], { data });
  const { orchestrator, path } = small;
  expect(await orchestrator.compare('small')).toEqual([]);
  change(small, { data: { ...data, test: './test.jsonl' } });
  for (const address of [path, 'small', 'small/laptop']) {
    const [comparison] = await orchestrator.compare(address);
    expect(comparison).toMatchObject({ rows: 12, notes: [fewRowsNote] });
    expect(comparison!.candidates.at(-1)).toMatchObject({ run: 'small/laptop', measures: { accuracy: 1 } });
  }
});

test('evaluation, references, budget and held-out sets are those of the file as it is now', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const small = await runSmallJob([paid.provider]);
  const { orchestrator, path, folder } = small;
  writeFileSync(join(folder, 'few.csv'), 'body,team\ntext 0,yes\ntext 1,no\n');
  writeFileSync(join(folder, 'old.jsonl'), toLines(heldOutRows.map(({ text }) => ({ text, answer: 'no' }))));
  change(small, {
    data: { ...data, test: { few: { files: './few.csv', columns: { text: 'body', label: 'team' } } } },
    evaluation: { margin: 0.5, generation: { maxTokens: 7 } },
    references: { old: { predictions: './old.jsonl' } },
    budget: { usd: 0.001 },
  });
  for (const address of [path, 'small']) {
    await expect(orchestrator.evaluate(address)).rejects.toMatchObject({ code: 'budget-exceeded', message: /has a budget of \$0\.001/ });
    await expect(orchestrator.run(address).predict([{ text: 'a' }])).rejects.toMatchObject({ code: 'budget-exceeded' });
  }
  change(small, { budget: { usd: 5 } });
  const [comparison, ...others] = await orchestrator.evaluate('small');
  expect(others).toEqual([]);
  expect(comparison).toMatchObject({ set: 'few', rows: 2, margin: 0.5, reference: 'old' });
  expect(paid.asked.at(-1)!.context.generation).toEqual({ maxTokens: 7 });
});

test('a held-out share of the training rows is scored, and another one is another training', async () => {
  const small = await runSmallJob(
    [createLocal().provider],
    { data: { ...data, test: { fraction: 0.25 } } },
    { train: heldOutRows, test: [] },
  );
  const { orchestrator, path } = small;
  for (const address of [path, 'small']) {
    const [comparison] = await orchestrator.compare(address);
    expect(comparison).toMatchObject({ set: 'test', rows: 3 });
    expect(comparison!.candidates.at(-1)).toMatchObject({ run: 'small/laptop', measures: { accuracy: 1 } });
  }
  change(small, { data: { ...data, test: { fraction: 0.5 } } });
  await expect(orchestrator.compare(path)).rejects.toMatchObject({ code: 'run-not-found' });
});

test('what was set at the submission stays set', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, path } = small;
  await orchestrator.submit(await orchestrator.load(path, ['training.seed=2', 'evaluation.margin=0.25']));
  await orchestrator.wait(['small']);
  change(small, { evaluation: { margin: 0.4 } });
  expect((await orchestrator.compare('small'))[0]).toMatchObject({ margin: 0.25, notes: [fewRowsNote] }); // the newest run, with --set
  expect((await orchestrator.compare('small/laptop#1'))[0]).toMatchObject({ margin: 0.4, notes: [fewRowsNote] });
});

test('where the file is gone, broken, or trains something else, what was stored holds, with a note', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, path, folder } = small;
  const original = readFileSync(path, 'utf8');
  const compare = async (): Promise<object> => {
    const { rows, margin, notes } = (await orchestrator.compare('small'))[0]!;
    return { rows, margin, notes };
  };
  const holds = 'what was stored when small/laptop was submitted holds';
  renameSync(path, join(folder, 'away.json'));
  expect(await compare()).toEqual({
    rows: 12,
    margin: 0.02,
    notes: [expect.stringMatching(`^${path} cannot be used now .*: ${holds}$`), fewRowsNote],
  });
  writeFileSync(path, original.replace('"version":1', '"version":2'));
  expect(await compare()).toMatchObject({ notes: [expect.stringContaining(`${path} cannot be used now`), fewRowsNote] });
  writeFileSync(path, original);
  change(small, { training: { epochs: 7 }, evaluation: { margin: 0.9 } });
  expect(await compare()).toEqual({ rows: 12, margin: 0.02, notes: [`${path} trains something else by now: ${holds}`, fewRowsNote] });
  writeFileSync(path, original);
  change(small, { data: { ...data, test: './none.jsonl' } });
  expect(await compare()).toMatchObject({ rows: 12, notes: [expect.stringContaining('none.jsonl'), fewRowsNote] });
  await expect(orchestrator.compare(path)).rejects.toMatchObject({ code: 'file-missing' });
  writeFileSync(path, original);
  rmSync(join(folder, 'test.jsonl'));
  rmSync(join(folder, 'train.jsonl'));
  expect(await compare()).toEqual({ rows: 12, margin: 0.02, notes: [fewRowsNote] }); // the copies of the data are there
});

test('held-out rows that cannot be used are an error where the file is named', async () => {
  const small = await runSmallJob([createLocal().provider]);
  writeFileSync(join(small.folder, 'test.jsonl'), '{"text": "a", "label": "never seen"}\n');
  await expect(small.orchestrator.compare(small.path)).rejects.toMatchObject({ code: 'data-invalid' });
  expect((await small.orchestrator.compare('small'))[0]!.notes).toEqual([expect.stringContaining('never seen'), fewRowsNote]);
});

test('a run that is submitted again takes over what is not trained', async () => {
  const small = await runSmallJob([createLocal().provider], { data });
  const { orchestrator, path, folder } = small;
  change(small, { data: { ...data, test: './test.jsonl' }, tags: { team: 'red' } });
  const [before] = await orchestrator.list('small');
  const [run] = await orchestrator.submit(await orchestrator.load(path));
  expect(run).toMatchObject({ id: 'small/laptop', ok: true, tags: { team: 'red' }, data: { test: { test: { rows: 12 } } } });
  expect(run!.key).toBe(before!.key);
  await orchestrator.submit(await orchestrator.load(path));
  rmSync(path);
  await using again = await openSmallJob(folder, [createLocal().provider]);
  expect((await again.compare('small'))[0]).toMatchObject({ rows: 12 });
});

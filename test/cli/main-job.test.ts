import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, inject, test } from 'vitest';
import type { Comparison } from '../../src/evaluate/comparison.ts';
import type { RunView } from '../../src/run/run-view.ts';
import { runCli } from './run-cli.ts';

const job = 'fixtures/sentiment/job-validation.json';
const few = ['--set', 'training.epochs=0.12', 'training.learningRate=0.002'];

interface Printed {
  readonly runs: readonly RunView[];
  readonly comparisons: readonly Comparison[];
}

let dir: string;
let printed: Printed;

beforeAll(async () => {
  dir = mkdtempSync(join(inject('scratchFolder'), 'state-'));
  const { status, stdout, stderr } = await runCli('submit', job, ...few, '--wait', '--json', '--dir', dir);
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  printed = JSON.parse(stdout) as Printed;
});

test('the run is reported with its end, its data, its steps and its model', () => {
  const [run] = printed.runs;
  expect(run).toMatchObject({
    schema: 'orchestrate.run/1',
    id: 'sentiment-validation/laptop',
    terminal: true,
    ok: true,
    status: { phase: 'succeeded' },
    failure: null,
    cost: { actual: 0 },
  });
  const { train, validation, test: tests } = run!.data;
  expect(train.rows + validation!.rows).toBe(2374);
  expect(validation!.rows / 2374).toBeCloseTo(0.1, 1);
  expect(tests['test']!.rows).toBe(605);
  expect(run!.progress.steps).toBe(Math.ceil(Math.ceil(train.rows / 16) * 0.12));
  expect(run!.metrics['validation/accuracy']!.last).toBeGreaterThan(0.5);
});

test('the comparison holds the tuned model against the best of the others', () => {
  const [comparison] = printed.comparisons;
  expect(comparison!.candidates.map(({ name }) => name)).toEqual(['most frequent label', 'untrained head', 'laptop']);
  const tuned = comparison!.candidates[2]!;
  const reference = comparison!.candidates.find(({ name }) => name === comparison!.reference)!;
  expect(tuned.difference).toBeCloseTo(tuned.measures.accuracy! - reference.measures.accuracy!, 10);
  expect(comparison!.rows).toBe(605);
});

test('the saved model gives the same scores in another process', async () => {
  const texts = ['I loved this phone', 'a complete waste of money', 'the plot was thin'];
  const predict = async (): Promise<string> => (await runCli('predict', 'sentiment-validation', ...texts, '--json', '--dir', dir)).stdout;
  const first = await predict();
  const database = new DatabaseSync(join(dir, 'state.db'));
  expect(database.prepare('delete from prediction').run().changes).toBeGreaterThanOrEqual(3);
  database.close();
  expect(await predict()).toBe(first);
  const lines = first
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; label: string; probabilities: Record<string, number> });
  expect(lines.map(({ text }) => text)).toEqual(texts);
  for (const { label, probabilities } of lines) {
    expect(Object.values(probabilities).reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
    expect(probabilities[label]).toBe(Math.max(...Object.values(probabilities)));
  }
});

test('the scores of the comparison are those of the saved model', async () => {
  const database = new DatabaseSync(join(dir, 'state.db'));
  database.exec('delete from prediction');
  database.close();
  const { stdout } = await runCli('compare', 'sentiment-validation', '--json', '--dir', dir);
  expect(JSON.parse(stdout)).toEqual(printed.comparisons[0]);
});

test('status, metrics and logs tell of it', async () => {
  const list = await runCli('status', '--dir', dir);
  expect(list.stdout).toMatch(/^sentiment-validation\/laptop +succeeded/m);
  const page = await runCli('status', 'sentiment-validation/laptop', '--dir', dir);
  expect(page.stdout).toContain('next: npx orchestrate compare sentiment-validation');
  expect(page.stdout).toContain(fileURLToPath(printed.runs[0]!.outputs[0]!.uri));
  const metrics = await runCli('metrics', 'sentiment-validation', '--json', '--dir', dir);
  const lines = metrics.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; split: string });
  expect(lines.filter(({ name, split }) => name === 'loss' && split === 'train')).toHaveLength(printed.runs[0]!.progress.steps!);
  const logs = await runCli('logs', 'sentiment-validation', '--dir', dir);
  expect(logs.stdout).toContain('validation loss');
});

test('the same job again is the same run; with --again it is the next one', async () => {
  const same = await runCli('submit', job, ...few, '--dir', dir, '-q');
  expect(same).toMatchObject({ status: 0, stdout: 'sentiment-validation/laptop\n' });
  const again = await runCli('submit', job, ...few, '--again', '--wait', '-q', '--dir', dir);
  expect(again).toMatchObject({ status: 0, stdout: 'sentiment-validation/laptop#2\n' });
  const twice = JSON.parse((await runCli('status', 'sentiment-validation', '--json', '--dir', dir)).stdout) as Printed;
  const [second, first] = twice.runs;
  expect(second!.key).not.toBe(first!.key);
  // The same seed on the same machine gives the same weights.
  expect(second!.outputs[0]!.sha256).toBe(first!.outputs[0]!.sha256);
});

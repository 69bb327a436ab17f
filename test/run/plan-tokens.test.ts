import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { local } from '../../providers/local/index.ts';
import { openai } from '../../providers/openai/index.ts';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import type { Note } from '../../src/provider/note.ts';
import type { RunPlan } from '../../src/run/event.ts';
import { inspectJobData } from '../../src/run/plan.ts';
import { countPlanTokens, type PlanTokens } from '../../src/run/plan-tokens.ts';
import { JobSpec } from '../../src/job/job-spec.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import { createDataFolder } from '../dataset/data-folder.ts';

const context = {
  signal: new AbortController().signal,
  now: () => new Date(0),
  wait: async () => await Promise.resolve(),
  setting: () => null,
  credential: () => null,
};
const bert: ModelName = { kind: 'folder', path: resolve('fixtures/models/tiny-bert') };
const gpt: ModelName = { kind: 'service', name: 'gpt-4.1-mini' };

async function count(rows: readonly object[], model: ModelName, change: Partial<RunPlan> = {}): Promise<PlanTokens | null> {
  const train = createDataFolder()('train.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const job = { version: 1, name: 'job', task: 'classification', data: { train }, targets: { one: { model: 'model' } } };
  const spec = { ...resolveTarget(JobSpec.parse(job), 'one', '/'), model };
  const facts: DataFacts = await inspectJobData(spec, { context });
  const plan = { facts, spec, model: { base: 'x' }, notes: [], quote: null, ...change } as unknown as RunPlan;
  return await countPlanTokens({ dir: '/none', context }, model.kind === 'service' ? openai : local, plan);
}

const rows = ['one', 'one two three four five six', 'one two'].map((text, i) => ({ text, label: i === 1 ? 'a' : 'b' }));
const maxLength: Note = { type: 'defaulted', field: 'training.maxLength', value: 6 };

test('all rows are counted with the tokenizer of the folder, and those that the target cuts', async () => {
  expect(await count(rows, bert, { notes: [maxLength] })).toEqual({ all: 15, countedRows: 3, limit: 6, cutRows: 1 });
  expect(await count(rows, bert)).toMatchObject({ all: 15, cutRows: 0 });
});

test('of many rows some are counted, and the rest estimated', async () => {
  const many = Array.from({ length: 3000 }, (_, i) => ({ text: `${'word '.repeat(100)}${i}`, label: String(i % 2) }));
  const tokens = await count(many, bert, { notes: [maxLength] });
  expect(tokens!.countedRows).toBeLessThan(1500);
  expect(tokens!.cutRows).toBe(tokens!.countedRows);
  expect(tokens!.all / 3000).toBeGreaterThan(100);
});

test('a price counts already, and short rows need no second look', async () => {
  const quote = { currency: 'USD', low: 1, high: 1, source: '', asOf: null, trainingTokens: 77 } as const;
  expect(await count(rows, gpt, { quote })).toEqual({ all: 77, countedRows: 3, limit: 65_536, cutRows: 0 });
  expect((await count(rows, gpt))!.all).toBeGreaterThan(30);
});

test('nothing is known of a model whose tokenizer is not here', async () => {
  expect(await count(rows, { kind: 'hub', name: 'a/b', revision: null })).toBeNull();
  expect(await count(rows, { kind: 'folder', path: '/none' })).toBeNull();
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { getDefaultMaxTokens } from '../../src/evaluate/models.ts';
import type { Scoring } from '../../src/evaluate/scoring.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { createAnsweringService } from './answering-service.ts';
import { createLocal, fewRowsNote, openSmallJob, runSmallJob, sayRight, toLines } from './small-job.ts';

test.each([
  [['no', 'yes'], 16],
  [['a'.repeat(20)], 28],
  [['很好'.repeat(5)], 38],
  [[], 1024],
])('the longest answer for the labels %j has %i tokens', (labels, tokens) => {
  expect(getDefaultMaxTokens(labels)).toBe(tokens);
});

test('nobody has to name the longest answer: a job without it is scored and paid', async () => {
  const paid = createAnsweringService({ say: sayRight });
  const { orchestrator } = await runSmallJob([paid.provider], { evaluation: {} });
  expect(await orchestrator.evaluate('small', { maxUsd: 1 })).toHaveLength(1);
  expect(paid.asked[0]!.context.generation).toEqual({ maxTokens: 16 });
});

test('answers that were cut are told', async () => {
  const { provider } = createAnsweringService({ say: sayRight });
  const { predict } = provider.inference!;
  const cutting: Provider = {
    ...provider,
    inference: {
      ...provider.inference,
      async *predict(model, rows, context) {
        for await (const prediction of predict!(model, rows, context)) {
          yield { ...prediction, truncated: model.identity.startsWith('ft:') && prediction.answer === 'no' };
        }
      },
    },
  };
  const { orchestrator } = await runSmallJob([cutting]);
  const [comparison] = await orchestrator.evaluate('small', { maxUsd: 5 });
  expect(comparison!.notes).toEqual([
    '8 answers of paid were cut at 100 tokens: evaluation.generation.maxTokens allows longer ones',
    fewRowsNote,
  ]);
});

const chatRows = [
  {
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'ho' },
    ],
  },
];

/** What the plan of a small job says, on a provider that is changed. */
async function describe(provider: Provider, job: object = {}): Promise<Scoring> {
  const { orchestrator, path, folder } = await runSmallJob([createLocal().provider]);
  await orchestrator[Symbol.asyncDispose]();
  writeFileSync(join(folder, 'chat.jsonl'), toLines(chatRows));
  const fields = { version: 1, name: 'small', task: 'classification', data: { train: './train.jsonl', test: './test.jsonl' } };
  writeFileSync(path, JSON.stringify({ ...fields, targets: { a: { provider: provider.id, model: 'base' } }, ...job }));
  await using other = await openSmallJob(folder, [provider]);
  let told: readonly Scoring[] = [];
  const before: number[] = [];
  await other.submit(await other.load(path), {
    onPlanned: async (plans) => {
      told = await other.describeScoring(plans);
      before.push((await other.list('small/laptop')).length, (await other.list()).length);
    },
  });
  expect(before).toEqual([1, 1]); // nothing was submitted yet
  return told[0]!;
}

const chat = { task: 'chat', data: { train: './chat.jsonl', test: './chat.jsonl' } };

test.each<[string, () => Provider, object, Partial<Scoring>]>([
  ['a service with prices', () => createAnsweringService({ say: sayRight }).provider, {}, { problem: null, maxTokens: 16, rows: 12 }],
  ['a chat', () => createAnsweringService({ say: sayRight }).provider, chat, { problem: null, maxTokens: 1024 }],
  ['this machine', () => createLocal().provider, {}, { problem: null, maxTokens: null }],
  [
    'no held-out rows',
    () => createLocal().provider,
    { data: { train: './train.jsonl' } },
    { problem: 'there are no held-out rows: add data.test to the job file, now or after the training', rows: 0 },
  ],
  [
    'no price',
    () => createAnsweringService({ say: sayRight, price: null }).provider,
    {},
    {
      problem: `no price is known for its answers: set ORCHESTRATE_PRICES='{"base": {"input": …, "output": …}}', in US dollars per 1M tokens, now or after the training`,
    },
  ],
  [
    'a provider that answers nothing',
    () => ({ ...createLocal().provider, inference: {} }),
    {},
    { problem: 'its provider answers no rows' },
  ],
  [
    'a model that only can be downloaded, and writes text',
    () => ({ ...createLocal().provider, inference: { download: async () => await Promise.reject(new Error('not now')) } }),
    chat,
    { problem: 'its model writes text, and this machine can run classifiers only' },
  ],
])('before anything is paid the plan tells whether the model can be scored: %s', async (_, create, job, expected) => {
  expect(await describe(create(), job)).toMatchObject(expected);
});

import { expect, test } from 'vitest';
import type { Context } from '../../src/provider/context.ts';
import { answerRows, type AnswerWorkspace } from '../../src/evaluate/answer-rows.ts';
import type { ModelClient } from '../../src/evaluate/prompt-settings.ts';
import { readAnswers } from '../../src/evaluate/stored-answers.ts';
import { toQuestion } from '../../src/evaluate/to-question.ts';
import { openEmptyStore } from '../../src/store/open-store.ts';
import { createAnsweringService, toRead, type AnsweringService, type ServiceSettings } from './answering-service.ts';

const context: Context = {
  signal: new AbortController().signal,
  now: () => new Date(0),
  wait: async () => await Promise.resolve(),
  setting: () => null,
  credential: () => null,
};

const settings = { task: 'classification', prompt: null, labels: ['no', 'yes'], generation: {}, concurrency: 3 } as const;

function createFixture(options: Partial<ServiceSettings> = {}): {
  fixture: AnswerWorkspace;
  service: AnsweringService;
  client: ModelClient;
} {
  const service = createAnsweringService({ say: (row) => toRead(row), ...options });
  const model = service.provider.training.baseModel!({ base: 'base' }, context)!;
  return { fixture: { store: openEmptyStore(), context }, service, client: { provider: service.provider, model, settings } };
}

const texts = (...all: readonly string[]): { text: string }[] => all.map((text) => ({ text }));

test.each(['endpoint', 'folder'] as const)(
  'answers of a model (%s) come in the order of the rows, equal rows are asked once',
  async (kind) => {
    const { fixture, service, client } = createFixture({ kind });
    const ask = async (...all: readonly string[]): Promise<(string | null)[]> => {
      const answers = await answerRows(fixture, client, { questions: texts(...all).map((row) => toQuestion(client, row)) });
      return answers.map(({ answer }) => answer);
    };
    expect(await ask('a', 'b', 'a')).toEqual(['a', 'b', 'a']);
    expect(service.asked).toHaveLength(2);
    expect(await ask('c', 'b', 'a', 'c')).toEqual(['c', 'b', 'a', 'c']);
    expect(service.asked.map(({ row }) => toRead(row))).toEqual(['a', 'b', 'c']);
    expect(service.asked[0]!.context.concurrency).toBe(3);
    expect(await ask()).toEqual([]);
  },
);

test('an answer of a service is kept before the next one is waited for', async () => {
  const { fixture, service, client } = createFixture();
  const questions = texts('a', 'b', 'c').map((row) => toQuestion(client, row));
  const kept: number[] = [];
  service.beforeAnswer = async () => {
    const ids = questions.map(({ id }) => id);
    kept.push((await readAnswers(fixture.store, ids)).size);
  };
  await answerRows(fixture, client, { questions });
  expect(kept).toEqual([0, 1, 2]);
});

test.each(['endpoint', 'folder'] as const)('what was answered (%s) before a failure is kept', async (kind) => {
  const { fixture, service, client } = createFixture({ kind });
  const questions = texts('a', 'b', 'c').map((row) => toQuestion(client, row));
  service.beforeAnswer = (answered) => {
    if (answered === 2) throw new Error('away');
  };
  await expect(answerRows(fixture, client, { questions })).rejects.toThrow('away');
  service.beforeAnswer = () => {};
  expect(await answerRows(fixture, client, { questions })).toMatchObject([{ answer: 'a' }, { answer: 'b' }, { answer: 'c' }]);
  expect(service.asked).toHaveLength(3);
});

test('a service that leaves a row without an answer is told of; the other answers are kept', async () => {
  const { fixture, service, client } = createFixture();
  const questions = texts('a', 'b', 'c').map((row) => toQuestion(client, row));
  service.dumb.add(1);
  await expect(answerRows(fixture, client, { questions })).rejects.toMatchObject({
    code: 'response-invalid',
    message: 'the model base of a service: expected 3 answers, found 2',
  });
  await answerRows(fixture, client, { questions });
  expect(service.asked.map(({ row }) => toRead(row))).toEqual(['a', 'b', 'c', 'b']);
});

test('an answer to what was not asked, and a second one, are passed over', async () => {
  const { fixture, service, client } = createFixture();
  const { provider } = service;
  const questions = texts('a', 'b').map((row) => toQuestion(client, row));
  const noisy: ModelClient = {
    ...client,
    provider: {
      ...provider,
      inference: {
        ...provider.inference,
        async *predict(...args) {
          for await (const prediction of provider.inference!.predict!(...args)) {
            yield { ...prediction, id: 'stranger' };
            yield prediction;
            yield { ...prediction, answer: 'second' };
          }
        },
      },
    },
  };
  expect(await answerRows(fixture, noisy, { questions })).toMatchObject([{ answer: 'a' }, { answer: 'b' }]);
  expect((await readAnswers(fixture.store, ['stranger'])).size).toBe(0);
});

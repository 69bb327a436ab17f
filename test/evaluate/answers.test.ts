import { expect, test } from 'vitest';
import { fetchAnswers, readAnswers } from '../../src/evaluate/answers.ts';
import type { ModelClient } from '../../src/evaluate/models.ts';
import { buildRequest, type RequestBatch } from '../../src/evaluate/requests.ts';
import type { Workspace } from '../../src/run/workspace.ts';
import { createAnsweringService, createWorkspace, toRead, type AnsweringService, type ServiceSettings } from './answering-service.ts';

const settings = { task: 'classification', prompt: null, labels: ['no', 'yes'], generation: {}, concurrency: 3 } as const;

interface Fixture {
  readonly workspace: Workspace;
  readonly service: AnsweringService;
  readonly client: ModelClient;
  /** The requests for rows of these texts. */
  batch(...texts: readonly string[]): RequestBatch;
}

function createFixture(options: Partial<ServiceSettings> = {}): Fixture {
  const service = createAnsweringService({ say: (row) => toRead(row), ...options });
  const { provider } = service;
  const workspace = createWorkspace('/nowhere', provider);
  const model = provider.training.baseModel!({ base: 'base' }, workspace.context)!;
  const client = { provider, model, settings, cacheFolder: '/nowhere', undeployedRun: null };
  return { workspace, service, client, batch: (...texts) => ({ client, requests: texts.map((text) => buildRequest(client, { text })) }) };
}

test.each(['endpoint', 'folder'] as const)(
  'answers of a model (%s) come in the order of the rows, equal rows are asked once',
  async (kind) => {
    const { workspace, service, batch } = createFixture({ kind });
    const ask = async (...texts: readonly string[]): Promise<(string | null)[]> =>
      (await fetchAnswers(workspace, batch(...texts))).map(({ answer }) => answer);
    expect(await ask('a', 'b', 'a')).toEqual(['a', 'b', 'a']);
    expect(service.asked).toHaveLength(2);
    expect(await ask('c', 'b', 'a', 'c')).toEqual(['c', 'b', 'a', 'c']);
    expect(service.asked.map(({ row }) => toRead(row))).toEqual(['a', 'b', 'c']);
    expect(service.asked[0]!.context.concurrency).toBe(3);
    expect(await ask()).toEqual([]);
  },
);

test('an answer of a service is stored before the next one arrives', async () => {
  const { workspace, service, batch } = createFixture();
  const { requests, client } = batch('a', 'b', 'c');
  const stored: number[] = [];
  service.beforeAnswer = async () => void stored.push((await readAnswers(workspace.store, requests)).size);
  await fetchAnswers(workspace, { requests, client });
  expect(stored).toEqual([0, 1, 2]);
});

test.each(['endpoint', 'folder'] as const)('answers (%s) from before a failure are stored', async (kind) => {
  const { workspace, service, batch } = createFixture({ kind });
  service.beforeAnswer = (answered) => {
    if (answered === 2) throw new Error('away');
  };
  await expect(fetchAnswers(workspace, batch('a', 'b', 'c'))).rejects.toThrow('away');
  service.beforeAnswer = () => {};
  expect(await fetchAnswers(workspace, batch('a', 'b', 'c'))).toMatchObject([{ answer: 'a' }, { answer: 'b' }, { answer: 'c' }]);
  expect(service.asked).toHaveLength(3);
});

test('a service that leaves a row without an answer is reported; the other answers are stored', async () => {
  const { workspace, service, batch } = createFixture();
  service.dumb.add(1);
  await expect(fetchAnswers(workspace, batch('a', 'b', 'c'))).rejects.toMatchObject({
    code: 'response-invalid',
    message: 'the model base of a service: expected 3 answers, found 2',
  });
  await fetchAnswers(workspace, batch('a', 'b', 'c'));
  expect(service.asked.map(({ row }) => toRead(row))).toEqual(['a', 'b', 'c', 'b']);
});

test('an answer without a request, and a second one, are ignored', async () => {
  const { workspace, service, client, batch } = createFixture();
  const { provider } = service;
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
  expect(await fetchAnswers(workspace, { ...batch('a', 'b'), client: noisy })).toMatchObject([{ answer: 'a' }, { answer: 'b' }]);
  expect((await readAnswers(workspace.store, [{ id: 'stranger' }])).size).toBe(0);
});

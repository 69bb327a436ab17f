import { expect, test } from 'vitest';
import { loadValidator } from '../../src/sandbox/validator.ts';

const job = {
  object: 'fine_tuning.job',
  id: 'ftjob-1',
  created_at: 1,
  finished_at: null,
  model: 'm',
  fine_tuned_model: null,
  organization_id: 'o',
  result_files: [],
  status: 'running',
  training_file: 'f',
  validation_file: null,
  hyperparameters: {},
  trained_tokens: null,
  error: null,
  seed: 1,
};

test.each([
  [{}, null, null],
  [{ status: 'paused' }, null, null],
  [{ status: 'pending' }, 'status', null],
  [{ hyperparameters: null }, 'hyperparameters', null],
  [{ status: 'lost' }, 'status', 'status'],
  [{ error: {} }, 'error', 'error'],
  [{ metadata: { key: 1 } }, 'metadata.key', 'metadata.key'],
])('a job with %j as an answer of OpenAI and of Azure', async (part, ofOpenai, ofAzure) => {
  const validator = await loadValidator();
  const find = (dialect: 'openai' | 'azure'): string | null =>
    validator.findProblem(dialect, 'FineTuningJob', { ...job, ...part })?.param ?? null;
  expect([find('openai'), find('azure')]).toEqual([ofOpenai, ofAzure]);
});

test('what is missing is named', async () => {
  const validator = await loadValidator();
  const { seed: _, ...seedless } = job;
  expect(validator.findProblem('openai', 'FineTuningJob', seedless)?.message).toBe("Invalid body: must have required property 'seed'.");
  expect(() => validator.findProblem('openai', 'Nothing', {})).toThrow('no schema Nothing');
});

test('every schema that a route names can be compiled', async () => {
  const { azureRoutes, routes } = await import('../../src/sandbox/routes.ts');
  const validator = await loadValidator();
  const names = [...routes, ...azureRoutes].flatMap(({ body, answer }) => [body, answer]).filter((name) => name !== undefined);
  for (const name of names) expect(validator.findProblem('openai', name, {})).not.toBeNull();
});

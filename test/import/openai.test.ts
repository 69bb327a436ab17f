import { expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';

function parse(body: object = {}): ImportedJob {
  return parseConfig(formats.openai, { model: 'gpt-4.1-2025-04-14', training_file: 'file-1', ...body }, { file: 'b.json' });
}

function withHyperparameters(hyperparameters: object, type = 'supervised'): object {
  return { method: { type, [type]: { hyperparameters } } };
}

test('a multiplier stays a multiplier, and "auto" is the absence of a field', () => {
  const training = (hyperparameters: object) => parse(withHyperparameters(hyperparameters)).training;
  expect(training({ learning_rate_multiplier: 2 })).toEqual({ method: 'sft', learningRate: { multiplier: 2 } });
  expect(training({ learning_rate_multiplier: 'auto', n_epochs: 'auto', batch_size: 'auto' })).toEqual({ method: 'sft' });
  expect(parse(withHyperparameters({ beta: 0.2, n_epochs: 2 }, 'dpo'))).toMatchObject({
    task: 'preference',
    training: { method: 'dpo', beta: 0.2, epochs: 2 },
  });
});

test('the older place of hyperparameters', () => {
  expect(parse({ hyperparameters: { n_epochs: 4 } }).training).toEqual({ method: 'sft', epochs: 4 });
  const both = parse({ ...withHyperparameters({ n_epochs: 2 }), hyperparameters: { n_epochs: 4 } });
  expect(both.training.epochs).toBe(2);
  expect(both.notes.find(({ path }) => path === 'hyperparameters')).toMatchObject({ kind: 'unmatched', value: { n_epochs: 4 } });
});

test('what has no word in a job goes to the same service again, credentials and our own marks do not', () => {
  const job = parse({
    metadata: { team: 'a', orchestrate_key: 'k', orchestrate_attempt: '1', token: 'x', note: 'sk-abcdefghijklmnop' },
    integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
  });
  expect(job.target.native).toEqual({ metadata: { team: 'a' }, integrations: [{ type: 'wandb', wandb: { project: 'p' } }] });
  expect(JSON.stringify(job)).not.toContain('sk-abc');
  const secret = parse({ integrations: [{ type: 'wandb', wandb: { project: 'p', api_key: 'x1y2z3' } }] });
  expect(secret.target.native).toBeUndefined();
  expect(JSON.stringify(secret)).not.toContain('x1y2z3');
});

test('a body with Azure’s own field is Azure’s', () => {
  expect(parse({ trainingType: 'standard', suffix: 's' }).target).toMatchObject({
    provider: 'azure',
    options: { trainingType: 'standard', suffix: 's' },
  });
  expect(parse().target).toEqual({ name: 'openai', provider: 'openai', model: 'gpt-4.1-2025-04-14' });
});

test('a field that nobody knows is kept in a note', () => {
  expect(parse({ zzz: { a: [1] } }).notes.find(({ path }) => path === 'zzz')).toMatchObject({ kind: 'unmatched', value: { a: [1] } });
});

test.each([
  [{ model: undefined }, 'b.json: model: expected the name of a model, found nothing'],
  [{ model: './x' }, 'b.json: model: expected the name of a model at the service, found "./x"'],
  [{ model: 'hub:a/b' }, 'b.json: model: expected the name of a model at the service'],
  [{ training_file: undefined }, 'b.json: training_file: expected the id of an uploaded file, found nothing'],
  [{ training_file: '../../etc/passwd' }, 'b.json: training_file: expected the id of an uploaded file, found "../../etc/passwd"'],
  [{ validation_file: '..' }, 'b.json: validation_file: expected the id of an uploaded file'],
  [{ method: { type: 'reinforcement' } }, 'b.json: method.type: expected "supervised" or "dpo", found "reinforcement"'],
  [{ method: {} }, 'b.json: method.type: expected "supervised" or "dpo", found nothing'],
  [{ method: 'dpo' }, 'b.json: method: expected an object, found "dpo"'],
  [{ method: { type: 'dpo', supervised: {} } }, 'b.json: method.supervised: expected only settings of dpo beside "type", found an object'],
  [withHyperparameters({ n_epochs: 'many' }), 'b.json: method.supervised.hyperparameters.n_epochs: expected a number, found "many"'],
  [withHyperparameters({ batch_size: 1.5 }), 'b.json: method.supervised.hyperparameters.batch_size: expected a whole number, found 1.5'],
  [
    withHyperparameters({ learning_rate_multiplier: 0 }),
    'b.json: method.supervised.hyperparameters.learning_rate_multiplier: expected a number above 0, found 0',
  ],
  [{ seed: -1 }, 'b.json: seed: expected a number of at least 0, found -1'],
  [{ metadata: { a: 1 } }, 'b.json: metadata.a: expected a text, found 1'],
  [{ integrations: {} }, 'b.json: integrations: expected a list, found an object'],
])('refused: %j', (body, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }));
});

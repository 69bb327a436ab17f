import { expect, test } from 'vitest';
import { local } from '../../../providers/local/index.ts';
import { isFailure } from '../../../src/errors.ts';
import type { Note } from '../../../src/provider/note.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';

const plan = toMemoryPlan();
const train = { ...plan.facts.train, rows: 10, labels: { no: 8, yes: 2 } };
const model = { base: '/models/bert', revision: 'r'.repeat(64), maxLength: 64 };

function translate(
  options: RunSpec['options'],
  task: RunSpec['task'] = 'classification',
  rows = train,
): { training: Record<string, unknown>; notes: readonly Note[] } {
  const spec: RunSpec = { ...plan.spec, provider: 'local', model: { kind: 'folder', path: '/models/bert' }, options, task };
  const { request, notes } = local.training.translate({ spec, facts: { ...plan.facts, train: rows }, model, key: plan.key });
  const { training } = request as { training: Record<string, unknown> };
  return { training, notes: notes.filter((note) => 'field' in note && note.field.startsWith('options.')) };
}

function findFailure(options: RunSpec['options'], task?: RunSpec['task']): string {
  try {
    translate(options, task);
  } catch (error) {
    if (isFailure(error, 'job-file-invalid')) return error.message;
    throw error;
  }
  throw new Error('translated');
}

test('options that change the loss and the rates are sent', () => {
  const options = { labelSmoothing: 0.1, classWeights: { yes: 3 }, layerDecay: 0.9 };
  const { training, notes } = translate(options);
  expect(training).toMatchObject({ labelSmoothing: 0.1, layerDecay: 0.9, classWeights: [1, 3] });
  expect(notes).toEqual(Object.entries(options).map(([field, value]) => ({ type: 'sent', field: `options.${field}`, value })));
  expect(Object.keys(translate({}).training)).not.toContain('labelSmoothing');
});

test('balanced weights come from the rows of the labels, and the plan shows them', () => {
  const { training, notes } = translate({ classWeights: 'balanced' });
  expect(training['classWeights']).toEqual([10 / 16, 10 / 4]);
  expect(notes).toMatchObject([{ type: 'converted', field: 'options.classWeights', from: 'balanced', value: { no: 0.625, yes: 2.5 } }]);
});

test.each<[RunSpec['options'], string]>([
  [{ classWeights: { maybe: 2 } }, 'targets.a.options.classWeights: expected a label of the training rows: "no", "yes", found "maybe"'],
  [{ classWeights: { yes: 0 } }, 'targets.a.options.classWeights'],
  [{ classWeights: 'even' }, 'targets.a.options.classWeights'],
  [{ labelSmoothing: 1 }, 'targets.a.options.labelSmoothing'],
  [{ layerDecay: 0 }, 'targets.a.options.layerDecay'],
])('%j is refused', (options, message) => {
  expect(findFailure(options)).toContain(message);
});

test('weights of several labels a row are of the rows that have a label, beside those that have it not', () => {
  expect(translate({ classWeights: { yes: 3 } }, 'multi-label').training).toMatchObject({ classWeights: [1, 3] });
  const { training, notes } = translate({ classWeights: 'balanced' }, 'multi-label');
  expect(training['classWeights']).toEqual([2 / 8, 8 / 2]);
  expect(notes).toMatchObject([{ field: 'options.classWeights', value: { no: 0.25, yes: 4 }, why: expect.stringContaining('without') }]);
});

test('a label that all rows have keeps its weight when labels are balanced', () => {
  const { training } = translate({ classWeights: 'balanced' }, 'multi-label', { ...train, labels: { no: 10, yes: 2 } });
  expect(training['classWeights']).toEqual([1, 4]);
});

test.each<[RunSpec['options'], RunSpec['task'], string]>([
  [{ labelSmoothing: 0.1 }, 'multi-label', 'labelSmoothing: expected the task "classification", which has one label a text'],
  [{ labelSmoothing: 0.1 }, 'regression', 'labelSmoothing: expected the task "classification", which has one label a text'],
  [{ classWeights: 'balanced' }, 'regression', 'classWeights: expected the task "classification" or "multi-label", which have labels'],
])('%j belongs to other tasks than %s', (options, task, message) => {
  expect(findFailure(options, task)).toBe(`targets.a.options.${message}, found "${task}"`);
  expect(translate({ layerDecay: 0.9 }, task).training).toMatchObject({ layerDecay: 0.9 });
});

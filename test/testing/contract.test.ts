import { expect, test } from 'vitest';
import { defineProvider } from '../../src/provider/provider.ts';
import { contractTests } from '../../src/testing/index.ts';
import { createMemoryTarget } from './memory-target.ts';
import { observeFaults } from './observe-faults.ts';
import { submitFaults } from './submit-faults.ts';
import { testConformance } from './test-conformance.ts';
import { translateFaults } from './translate-faults.ts';

const faults = [...translateFaults, ...submitFaults, ...observeFaults];
const correct = contractTests(createMemoryTarget());

testConformance(correct);

test('everything is checked of a provider that has everything', () => {
  expect(correct.filter(({ skipped }) => skipped !== null)).toEqual([]);
});

test.concurrent.each(faults)('$brokenTest: a provider that $fault is found out', async ({ brokenTest, change }) => {
  const { run } = contractTests(createMemoryTarget(change)).find(({ name }) => name === brokenTest)!;
  await expect(run()).rejects.toBeInstanceOf(Error);
});

test('every conformance test has a fault that breaks it', () => {
  const known = new Set(faults.map((fault) => fault.brokenTest));
  expect(correct.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
});

test('what cannot be checked is skipped, with the reason', () => {
  const { provider, inputs, createEnvironment } = createMemoryTarget(({ training, ...rest }) => {
    const { fence: _fence, cancel: _cancel, ...lacking } = training;
    return defineProvider({ ...rest, training: lacking });
  });
  const skipped = contractTests({ provider, inputs, createEnvironment, ends: {} }).filter((one) => one.skipped !== null);
  expect(skipped).toContainEqual(expect.objectContaining({ name: 'a fenced attempt can no longer be created', skipped: 'no fence' }));
  expect(skipped).toContainEqual(expect.objectContaining({ name: 'the end "failed" is seen', skipped: 'no way to the end "failed"' }));
  expect(skipped).toHaveLength(19);
});

test('a broken promise is an AssertionError that says what was expected and found', async () => {
  const { change, brokenTest } = faults.find(({ fault }) => fault === 'lists whatever there is')!;
  const { run } = contractTests(createMemoryTarget(change)).find(({ name }) => name === brokenTest)!;
  await expect(run()).rejects.toMatchObject({ name: 'AssertionError', message: expect.stringContaining('find of a run without a job') });
});

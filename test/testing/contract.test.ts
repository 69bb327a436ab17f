import { expect, test } from 'vitest';
import { contractTests } from '../../src/testing/contract.ts';
import { defineProvider } from '../../src/provider/provider.ts';
import { createMemorySubject } from './memory-subject.ts';
import { observeFaults } from './observe-faults.ts';
import { submitFaults } from './submit-faults.ts';
import { translateFaults } from './translate-faults.ts';

const faults = [...translateFaults, ...submitFaults, ...observeFaults];

const correct = contractTests(createMemorySubject());

test.each(correct)('$name', async ({ check }) => {
  await expect(check()).resolves.toBeUndefined();
});

test('everything is checked of a provider that has everything', () => {
  expect(correct.filter(({ name }) => name.includes('not checked'))).toEqual([]);
});

test.concurrent.each(faults)('$law: a provider that $fault is found out', async ({ one, change }) => {
  const broken = new Map<string, string>();
  for (const { name, check } of contractTests(createMemorySubject(change))) {
    await check().catch((error: unknown) => broken.set(name, (error as Error).message));
  }
  expect([...broken.keys()]).toContain(one);
  expect(broken.get(one)).toMatch(/expected .+, found ./s);
});

test('every law has a fault that breaks it', () => {
  const known = new Set(faults.map(({ one }) => one));
  expect(correct.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
});

test('what a provider lacks is named and not checked', async () => {
  const { provider, inputs, createEnvironment } = createMemorySubject(({ training, ...rest }) => {
    const { fence: _fence, cancel: _cancel, ...lacking } = training;
    return defineProvider({ ...rest, training: lacking });
  });
  const unchecked = contractTests({ provider, inputs, createEnvironment, ends: {} }).filter(({ name }) => name.includes('not checked'));
  for (const { check } of unchecked) await check();
  expect(unchecked.map(({ name }) => name)).toContain('a fenced attempt can no longer be created (not checked: no fence)');
  expect(unchecked).toHaveLength(19);
});

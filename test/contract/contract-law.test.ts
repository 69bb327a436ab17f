import { expect, test } from 'vitest';
import { contractLaw } from '../../src/contract/contract-law.ts';
import { createMemorySubject } from './memory-subject.ts';

const lawful = contractLaw(createMemorySubject());

for (const law of lawful) test(law.name, law.check);

test('everything is checked of a provider that has everything', () => {
  expect(lawful.filter(({ name }) => name.includes('not checked'))).toEqual([]);
});

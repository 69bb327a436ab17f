import { expect, test } from 'vitest';
import { checkWhole } from '../../src/provider-kit/whole-list.ts';

const at = (second: number): string => new Date(second * 1000).toISOString();
const times = (count: number, isNewestFirst = true): string[] => Array.from({ length: count }, (_, i) => at(2000 + (isNewestFirst ? -i : i)));

test.each<[string, string[], string | null, boolean]>([
  ['no job at all', [], null, true],
  ['a length at which nobody cuts', times(57), null, true],
  ['a round length', times(100), null, false],
  ['a power of two', times(256), null, false],
  ['a round length that reaches back behind the upload', times(100), at(1950), true],
  ['one that does not', times(100), at(1500), false],
  ['one that begins with the oldest', times(100, false), at(3000), false],
  ['one with an item without a time', [...times(99), ''], at(3000), false],
])('%s', (_, listed, since, isProof) => {
  const check = (): void => checkWhole(listed, { call: 'GET /jobs', since });
  if (isProof) check();
  else expect(check).toThrow('may be cut');
});

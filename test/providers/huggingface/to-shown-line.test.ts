import { expect, test } from 'vitest';
import { toShownLine } from '../../../providers/huggingface/to-shown-line.ts';
import { readFixtureLines } from './read-fixture.ts';

test('bars and what moves the cursor are left out, all else stays', () => {
  const lines = readFixtureLines('autotrain-classification-merged.log').map(toShownLine);
  expect(lines.join('\n')).not.toMatch(/it\/s|\r|\u001B/);
  expect(lines.filter((line) => line.includes('on_log:367 - {'))).toHaveLength(14);
  expect(lines.filter((line) => line.startsWith("{'"))).toHaveLength(13);
  expect(toShownLine('  a line {} [x]')).toBe('  a line {} [x]');
  expect(toShownLine('\r  2%|█| 1/45 [00:00<00:06,  7.03it/s]')).toBe('');
});

import { expect, test } from 'vitest';
import { finishJob } from '../../src/import/finish-job.ts';
import { toJobName } from '../../src/import/imported-job.ts';
import { openSource } from '../../src/import/source.ts';

test.each([
  ['Support Bot', 'support-bot'],
  ['  --Ünïcode_2.0--  ', 'unicode-2-0'],
  ['客服', 'imported'],
  ['', 'imported'],
  ['x'.repeat(40), 'x'.repeat(32)],
  [`-${'x'.repeat(31)}-y`, 'x'.repeat(31)],
  [`${'x'.repeat(31)} y`, 'x'.repeat(31)],
])('%j is called %s', (text, name) => {
  expect(toJobName(text)).toBe(name);
  expect(toJobName(name)).toBe(name);
});

test('what no job can say is refused as a job file would be', () => {
  const job = {
    source: 'a test',
    name: 'x',
    task: 'chat' as const,
    data: { train: 'rows.jsonl' },
    training: {},
    target: { name: 'x', provider: 'x', model: 'run:x' },
  };
  expect(() => finishJob(openSource({}, { file: 'f' }), job, () => '')).toThrow(
    expect.objectContaining({
      code: 'data-invalid',
      message: expect.stringMatching(/^f: no job can be made of it: data\.train: expected a path/),
    }),
  );
});

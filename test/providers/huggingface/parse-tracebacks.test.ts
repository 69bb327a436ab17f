import { expect, test } from 'vitest';
import { parseTracebacks } from '../../../providers/huggingface/parse-tracebacks.ts';
import { readFixtureLines } from './read-fixture.ts';

test('exceptions that led to each other are one', () => {
  const [found, ...others] = parseTracebacks(readFixtureLines('autotrain-failed-model.out'));
  expect(others).toEqual([]);
  expect(found?.exceptions.map(({ type, location }) => [type, location])).toEqual([
    ['HTTPError', 'models.py:raise_for_status'],
    ['RepositoryNotFoundError', '_http.py:hf_raise_for_status'],
    ['OSError', 'hub.py:cached_file'],
  ]);
  expect(found?.exceptions[1]?.message).toContain('Repository Not Found for url');
});

test("a launcher's is another one, and a message ends where another record begins", () => {
  const found = parseTracebacks(readFixtureLines('trl-failed-split.err'));
  expect(found.map(({ exceptions }) => exceptions.map(({ type }) => type))).toEqual([['KeyError'], ['CalledProcessError']]);
  const [one] = parseTracebacks(['Traceback (most recent call last):', '  File "a.py", line 3, in f', 'E.F: x', '', 'y', 'INFO     | z']);
  expect(one).toEqual({ exceptions: [{ type: 'F', message: 'x\ny', location: 'a.py:f' }], line: 0, lastLine: 4, isIgnored: false });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareFiles } from '../../src/evaluate/compare-files.ts';
import { runCli } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';

interface Files {
  readonly candidate: string;
  readonly reference: string;
}

function writeFiles(next: readonly object[], old: readonly object[]): Files {
  const folder = createScratchFolder();
  const write = (name: string, lines: readonly object[]): string => {
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return join(folder, name);
  };
  return { candidate: write('new.jsonl', next), reference: write('old.jsonl', old) };
}

const rows = Array.from({ length: 60 }, (_, i) => ({ text: `row ${i}`, right: i % 3 === 0 ? 'yes' : 'no' }));

/** The old model is right in half of the rows, the new one in all. */
const old = rows.map(({ text, right }, i) => ({ text, answer: i % 2 === 0 ? right : 'maybe', expected: right }));
const better = rows.map(({ text, right }) => ({ text, answer: ` ${right}\n` }));

test('texts are classified: scores, difference and verdict', async () => {
  const comparison = await compareFiles(writeFiles(better, old));
  expect(comparison).toMatchObject({ measure: 'accuracy', rows: 60, labels: ['no', 'yes'], reference: 'old.jsonl', notes: [] });
  const [reference, candidate] = comparison.candidates;
  expect(reference).toMatchObject({ name: 'old.jsonl', kind: 'reference', measures: { accuracy: 0.5 }, unparseable: 30, verdict: null });
  expect(candidate).toMatchObject({ name: 'new.jsonl', measures: { accuracy: 1 }, difference: 0.5, verdict: 'better' });
});

test('conversations must be answered exactly', async () => {
  const toLine = (i: number, answer: string) => ({ messages: [{ role: 'user', content: `say ${i}` }], answer, expected: `{"n":${i}}` });
  const next = rows.map((_, i) => toLine(i, `{"n":${i}}`));
  const comparison = await compareFiles(
    writeFiles(
      next,
      rows.map((_, i) => toLine(i, `{"n": ${i}}`)),
    ),
  );
  expect(comparison).toMatchObject({ measure: 'exact_match', labels: [] });
  expect(comparison.candidates.map(({ measures }) => measures.exact_match)).toEqual([0, 1]);
});

test('only what both have answered counts, and what is left out is said', async () => {
  const files = writeFiles(
    [...better.slice(1), { text: 'another', answer: 'no' }],
    [...old.slice(0, -2), { text: 'row 59', answer: 'no' }],
  );
  const { rows: count, notes } = await compareFiles(files);
  expect(count).toBe(57);
  expect(notes).toEqual([
    '2 inputs of new.jsonl left out: old.jsonl has no answer',
    '1 input of old.jsonl left out: new.jsonl has no answer',
    '1 input left out: neither file says the right answer ("expected")',
  ]);
});

test.each<[string, readonly object[], readonly object[], string]>([
  [
    'nothing in common',
    [{ text: 'a', answer: 'x' }],
    [{ text: 'b', answer: 'x', expected: 'x' }],
    'have both answered, with their right answers, found none',
  ],
  ['no right answers', [{ text: 'a', answer: 'x' }], [{ text: 'a', answer: 'x' }], 'found 1 without "expected"'],
  [
    'two right answers',
    [{ text: 'a', answer: 'x', expected: 'y' }],
    [{ text: 'a', answer: 'x', expected: 'x' }],
    'new.jsonl: expected "x" as the right answer, as of the same input before, found "y"',
  ],
])('refused: %s', async (_, next, before, message) => {
  await expect(compareFiles(writeFiles(next, before))).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining(message) as string,
  });
});

test('the command prints the table, and its exit status is the verdict', async () => {
  const { candidate, reference } = writeFiles(better, old);
  const good = await runCli('compare', '--candidate', candidate, '--reference', reference, '--require', 'better');
  expect(good).toMatchObject({ status: 0, stderr: '' });
  expect(good.stdout).toContain('verdict: new.jsonl is better than old.jsonl');
  const bad = await runCli('compare', '--candidate', reference, '--reference', candidate, '--require', 'not-worse', '-q');
  expect(bad).toMatchObject({ status: 104, stdout: 'old.jsonl: worse\n' });
  expect(await runCli('compare', '--candidate', candidate)).toMatchObject({ status: 2 });
  expect(await runCli('compare', 'job', '--candidate', candidate, '--reference', reference)).toMatchObject({ status: 2 });
  expect(await runCli('compare')).toMatchObject({ status: 2 });
});

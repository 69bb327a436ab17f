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

const numbers = rows.map(({ text }, i) => ({ text, right: (i * 7) % 11 }));
const far = numbers.map(({ text, right }, i) => ({ text, answer: right + 2 + (i % 3), expected: right }));

test('numbers are compared by their errors, with a margin in their unit', async () => {
  const next = numbers.map(({ text, right }, i) => ({ text, answer: String(right + (i % 2) / 2) }));
  const comparison = await compareFiles({ ...writeFiles(next, far), margin: 3 });
  expect(comparison).toMatchObject({ measure: 'mean_absolute_error', margin: 3, labels: [] });
  expect(comparison.candidates).toMatchObject([
    { name: 'old.jsonl', measures: { mean_absolute_error: 3 }, unparseable: 0 },
    { name: 'new.jsonl', measures: { mean_absolute_error: 0.25 }, difference: 2.75, verdict: 'better' },
  ]);
  expect(comparison.notes).toContain('the answers are compared as numbers; --measure accuracy takes them for labels');
  const back = await compareFiles({ ...writeFiles(far, next.map((line, i) => ({ ...line, expected: numbers[i]!.right }))), margin: 3 }); // prettier-ignore
  expect(back.candidates[1]).toMatchObject({ difference: -2.75, verdict: 'equivalent' });
});

test('whole numbers are labels, unless the measure says otherwise', async () => {
  const whole = numbers.map(({ text, right }) => ({ text, answer: right }));
  const labelled = await compareFiles(writeFiles(whole, far));
  expect(labelled).toMatchObject({ measure: 'accuracy', candidates: [{ measures: { accuracy: 0 } }, { measures: { accuracy: 1 } }] });
  expect(labelled.notes).toContain('the answers are compared as labels; --measure mean_absolute_error takes them for numbers');
  const measured = await compareFiles({ ...writeFiles(whole, far), measure: 'mean_absolute_error' });
  expect(measured.candidates[1]).toMatchObject({ measures: { mean_absolute_error: 0 }, difference: 3 });
  expect(measured.notes).toEqual([]);
  const graded = whole.map((line) => ({ ...line, answer: `${line.answer}.5`, probabilities: { '1': 0.5 } }));
  expect(await compareFiles(writeFiles(graded, far))).toMatchObject({ measure: 'accuracy' });
});

test.each<[object, string, string]>([
  [{ margin: 1.5 }, 'usage', 'expected a margin from 0 to 1 for the measure accuracy, found 1.5'],
  [{ margin: -1, measure: 'exact_match' }, 'usage', 'expected a margin from 0 to 1 for the measure exact_match, found -1'],
  [
    { measure: 'mean_absolute_error' },
    'data-invalid',
    'expected numbers as right answers for the measure mean_absolute_error, found "yes"',
  ],
  [{ measure: 'micro_f1' }, 'data-invalid', 'expected JSON lists of labels as right answers for the measure micro_f1, found "yes"'],
])('%j is refused', async (options, code, message) => {
  await expect(compareFiles({ ...writeFiles(better, old), ...options })).rejects.toMatchObject({ code, message });
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

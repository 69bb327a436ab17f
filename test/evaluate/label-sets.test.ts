import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatScores, formatComparison } from '../../src/cli/views/comparison-view.ts';
import { buildComparison, type CandidateAnswers, type Comparison } from '../../src/evaluate/comparison.ts';
import { compareFiles } from '../../src/evaluate/compare-files.ts';
import { judgeLabelSets, scoreLabelSets } from '../../src/evaluate/label-sets.ts';
import { computeRandomizationTest, computeRatioInterval, toRatio, type Parts } from '../../src/evaluate/statistics.ts';
import { toStreamKey, toUniform } from '../../src/lib/random.ts';
import { createScratchFolder } from '../scratch.ts';
import { createAnsweringService, toRead } from './answering-service.ts';
import { runSmallJob } from './small-job.ts';

/** Figures of scikit-learn: see make-controls.py. */
const { multiLabel } = JSON.parse(readFileSync('fixtures/parity/controls.json', 'utf8')) as {
  readonly multiLabel: {
    readonly expected: readonly (readonly number[])[];
    readonly answers: readonly (readonly number[])[];
    readonly scores: Readonly<Record<'micro_f1' | 'macro_f1' | 'exact_match', number>>;
    readonly perClass: readonly object[];
  };
};
const toLists = (sets: readonly (readonly number[])[]): string[] => sets.map((set) => JSON.stringify(set.map(String)));
const labels = ['0', '1', '2', '3', '4'];

test('label sets are scored as scikit-learn scores them, labels and rows without any too', () => {
  const { measures, perClass, confusion } = scoreLabelSets({
    labels,
    expected: toLists(multiLabel.expected),
    answers: toLists(multiLabel.answers),
  });
  for (const [name, value] of Object.entries(multiLabel.scores)) expect(measures[name as 'micro_f1']).toBeCloseTo(value, 12);
  expect(perClass).toEqual(
    multiLabel.perClass.map((one, i) => {
      return { label: labels[i], ...Object.fromEntries(Object.entries(one).map(([name, value]) => [name, expect.closeTo(value as number, 12)])) }; // prettier-ignore
    }),
  );
  expect(confusion).toEqual([]);
});

test('an answer that is no list names no label, and is not exact even where there is none', () => {
  const scores = scoreLabelSets({ labels: ['a'], expected: ['["a"]', '[]', '[]'], answers: [null, null, '[]'] });
  expect(scores).toMatchObject({ measures: { micro_f1: 0, exact_match: 1 / 3 }, unparseable: 2 });
  expect(scoreLabelSets({ labels: ['a'], expected: ['[]'], answers: ['[]'] }).measures).toEqual({
    micro_f1: 0,
    macro_f1: 0,
    exact_match: 1,
  });
  expect(scoreLabelSets({ labels: ['a'], expected: [], answers: [] }).measures).toEqual({ micro_f1: 0, macro_f1: 0, exact_match: 0 });
});

const toUniformOf = (name: string): ((index: number) => number) => {
  const key = toStreamKey(3, name);
  return (index) => toUniform(key, index);
};

/** Nine rows, so that all 512 exchanges can be looked at. */
const [first, second] = [0, 1].map((model) => {
  return Array.from({ length: 9 }, (_, row): Parts => {
    const [right, weight] = [(row * (3 + model) + model) % 4, 2 + ((row * 5) % 3)];
    return { gain: Math.min(2 * right, weight), weight: weight + ((row + model) % 2) };
  });
}) as [Parts[], Parts[]];

test('the randomization test is near the share of all exchanges that are at least as far apart', () => {
  const distance = (a: readonly Parts[], b: readonly Parts[]): number => Math.abs(toRatio(a) - toRatio(b));
  const all = Array.from({ length: 512 }, (_, bits) => {
    const isChanged = (row: number): boolean => (bits & (1 << row)) !== 0;
    const [a, b] = [
      first.map((one, row) => (isChanged(row) ? second[row]! : one)),
      second.map((one, row) => (isChanged(row) ? first[row]! : one)),
    ];
    return distance(a, b) >= distance(first, second) - 1e-12;
  });
  const exact = all.filter(Boolean).length / 512;
  expect(exact).toBeGreaterThan(0.05);
  expect(exact).toBeLessThan(0.95);
  const found = computeRandomizationTest(first, second, { resamples: 20_000, random: toUniformOf('a') });
  expect(Math.abs(found - exact)).toBeLessThan(0.015);
  expect(computeRandomizationTest(second, first, { resamples: 20_000, random: toUniformOf('a') })).toBe(found);
  expect(computeRandomizationTest(first, first, { resamples: 100, random: toUniformOf('a') })).toBe(1);
});

test('the interval of a ratio is that of the mean where each row weighs the same, and not otherwise', () => {
  const even = (parts: readonly Parts[]): Parts[] => parts.map(({ gain }) => ({ gain, weight: 5 }));
  const settings = { resamples: 4000, level: 0.95, random: toUniformOf('b') };
  const { low, high } = computeRatioInterval(even(first), even(second), settings);
  const means = Array.from({ length: 4000 }, (_, resample) => {
    const rows = Array.from({ length: 9 }, (_row, draw) => Math.floor(settings.random(resample * 9 + draw) * 9));
    return rows.reduce((sum, row) => sum + (first[row]!.gain - second[row]!.gain) / 5 / 9, 0);
  }).sort((a, b) => a - b);
  expect(low).toBeCloseTo(means[Math.round(0.025 * 3999)]!, 2);
  expect(high).toBeCloseTo(means[Math.round(0.975 * 3999)]!, 2);
  expect(computeRatioInterval(first, second, settings).low).not.toBeCloseTo(low, 3);
});

const rows = Array.from({ length: 60 }, (_, row) => ['a', 'b', 'c'].filter((_label, bit) => (row * 5 + 1) & (1 << bit)));

function compare(
  kinds: Readonly<Record<string, readonly [CandidateAnswers['kind'], (set: readonly string[], row: number) => readonly string[] | null]>>,
): Comparison {
  const candidates = Object.entries(kinds).map(([name, [kind, answer]]): CandidateAnswers => {
    const answers = rows.map((set, row) => answer(set, row)).map((set) => set && JSON.stringify(set));
    return { name, kind, run: null, answers };
  });
  const shared = { job: 'a', set: 'test', measure: 'micro_f1', margin: 0.02, labels: ['a', 'b', 'c'] } as const;
  return buildComparison({ ...shared, expected: rows.map((set) => JSON.stringify(set)), candidates, referenceAmong: ['rule', 'base'] });
}

test('the verdict goes by micro-F1 of all rows together', () => {
  const { candidates, reference, notes } = compare({
    rule: ['majority', () => ['a', 'b', 'c']],
    base: ['untrained', () => []],
    close: ['tuned', (set, row) => (row % 6 === 0 ? set.slice(1) : set)],
    far: ['tuned', () => ['c']],
    same: ['tuned', () => ['a', 'b', 'c']],
  });
  expect(reference).toBe('rule');
  const [rule, , close, far, same] = candidates;
  expect(close).toMatchObject({ verdict: 'better', beatsMajority: true });
  expect(close!.difference).toBeCloseTo(close!.measures.micro_f1! - rule!.measures.micro_f1!, 12);
  expect(close!.interval![0]).toBeLessThan(close!.difference!);
  expect(close!.interval![1]).toBeGreaterThan(close!.difference!);
  expect(close!.pValue).toBeLessThan(0.001);
  expect(far).toMatchObject({ verdict: 'worse', beatsMajority: false });
  expect(same).toMatchObject({ difference: 0, interval: [0, 0], pValue: 1, verdict: 'equivalent', beatsMajority: false });
  expect(notes).toHaveLength(2);
  expect(notes[0]).toMatch(/^far does not beat the most frequent labels by more than chance: micro-F1 0\.\d{3}, and 0\.\d{3} for/);
});

test('without a rule among the candidates the best answer for all rows is the one to beat; scores have no confusion', () => {
  const comparison = compare({ base: ['reference', () => []], tuned: ['tuned', () => ['a', 'b', 'c']] });
  expect(comparison.candidates[1]).toMatchObject({ verdict: 'better', beatsMajority: false });
  expect(formatComparison(comparison)).toMatch(/micro-F1 +macro-F1 +exact match/);
  expect(formatComparison(comparison)).toContain('but no better than the most frequent labels');
  const scores = formatScores(comparison);
  expect(scores).toMatch(/^label +precision +recall +F1 +rows$/m);
  expect(scores).not.toContain('as a');
});

const texts = rows.map((set, i) => ({ text: `text ${i}`, labels: set }));

test('a model that writes is asked for a list, and its answer is read as labels', async () => {
  const say = (read: string, tuned: boolean): string => {
    const { labels: right } = texts.find(({ text }) => read.endsWith(text))!;
    return tuned ? `\`\`\`json\n${JSON.stringify(right.toReversed())}\n\`\`\`` : 'b, something else';
  };
  const service = createAnsweringService({ price: 'free', say: (row, tuned) => say(toRead(row), tuned) });
  const train = texts.map(({ text, labels: set }) => ({ text: `trained ${text}`, labels: set }));
  const job = { task: 'multi-label', evaluation: {} };
  const { orchestrator } = await runSmallJob([service.provider], job, { train, test: texts.slice(0, 50) });
  const [comparison] = await orchestrator.evaluate('small');
  expect(comparison).toMatchObject({ measure: 'micro_f1', labels: ['a', 'b', 'c'], rows: 50 });
  const [rule, base, tuned] = comparison!.candidates;
  expect(rule).toMatchObject({ name: 'most frequent labels', kind: 'majority' });
  expect(base).toMatchObject({ measures: { micro_f1: 0 }, unparseable: 50 });
  expect(tuned).toMatchObject({ measures: { micro_f1: 1, macro_f1: 1, exact_match: 1 }, verdict: 'better' });
  const [{ row, context }] = service.asked as [(typeof service.asked)[number]];
  expect('messages' in row && row.messages[0]!.content).toBe(
    'Classify the text.\n\nAnswer with a JSON list of all of these labels that apply, in this order: "a", "b", "c". Answer with [] where none applies.',
  );
  expect(context.generation.maxTokens).toBe(16 + 3 * 9);
  const [answer] = await orchestrator.run('small').predict([{ text: 'text 3' }]);
  expect(answer).toMatchObject({ labels: rows[3] });
  expect(answer).not.toHaveProperty('label');
});

test('files of answers are compared by micro-F1 where all right answers are lists', async () => {
  const folder = createScratchFolder();
  const write = (name: string, answer: (set: readonly string[]) => string): string => {
    const lines = texts.map(({ text, labels: set }) => JSON.stringify({ text, answer: answer(set), expected: JSON.stringify(set) }));
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    return join(folder, name);
  };
  const files = { candidate: write('new.jsonl', (set) => set.join(', ') || '[]'), reference: write('old.jsonl', () => '["c"]') };
  const comparison = await compareFiles(files);
  expect(comparison).toMatchObject({ measure: 'micro_f1', labels: ['a', 'b', 'c'] });
  expect(comparison.candidates[1]).toMatchObject({ measures: { micro_f1: 1 }, verdict: 'better', unparseable: 0 });
  expect(toRatio(judgeLabelSets({ expected: ['["a"]', '[]'], answers: ['["a","b"]', '["a"]'] }))).toBe(2 / 4);
});

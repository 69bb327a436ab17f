/** How well sets of labels were answered: each row has any number of labels, written as `formatLabelList` does. */
import { findFrequentLabels, formatLabelList, readLabelList } from '../dataset/label-list.ts';
import type { Answered, ClassMeasures, Scores } from './measures.ts';
import { divide, sum, toRatio, type Parts } from './statistics.ts';

/** The labels of each row, each once; an answer that is no list names none. */
function toSets(lists: readonly (string | null)[]): ReadonlySet<string>[] {
  return lists.map((list) => new Set(readLabelList(list)));
}

function countCommon(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  return [...a].filter((label) => b.has(label)).length;
}

/** What each row adds to the micro-F1, which is the F1 of all decisions about all rows and labels: twice its right labels, by all that it expects and is given. */
export function judgeLabelSets({ expected, answers }: Pick<Answered, 'expected' | 'answers'>): Parts[] {
  const found = toSets(answers);
  return toSets(expected).map((right, row) => ({ gain: 2 * countCommon(right, found[row]!), weight: right.size + found[row]!.size }));
}

/** The best answer that is the same for all rows. */
export function findConstantList(expected: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of toSets(expected).flatMap((labels) => [...labels])) counts.set(label, (counts.get(label) ?? 0) + 1);
  return formatLabelList(findFrequentLabels(counts, expected.length));
}

/**
 * Scores as scikit-learn defines them with `zero_division=0`: a ratio whose denominator is 0 counts as 0. `exact_match` is its `accuracy_score` of
 * label sets: the share of rows with the right labels and no others. `macro_f1` is the mean over all labels, also those that no row has.
 */
export function scoreLabelSets({ labels, expected, answers }: Answered): Scores {
  const [right, found] = [toSets(expected), toSets(answers)];
  const perClass = labels.map((label): ClassMeasures => {
    const support = right.filter((set) => set.has(label)).length;
    const answered = found.filter((set) => set.has(label)).length;
    const both = right.filter((set, row) => set.has(label) && found[row]!.has(label)).length;
    return { label, precision: divide(both, answered), recall: divide(both, support), f1: divide(2 * both, answered + support), support };
  });
  const isExact = (set: ReadonlySet<string>, row: number): boolean => {
    return answers[row] !== null && set.size === found[row]!.size && countCommon(set, found[row]!) === set.size;
  };
  const measures = {
    micro_f1: toRatio(judgeLabelSets({ expected, answers })),
    macro_f1: divide(sum(perClass.map(({ f1 }) => f1)), labels.length),
    exact_match: divide(right.filter(isExact).length, expected.length),
  };
  return { measures, perClass, confusion: [], unparseable: answers.filter((answer) => answer === null).length };
}

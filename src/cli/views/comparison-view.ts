import type { ComparedCandidate, Comparison } from '../../evaluate/compare.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatTable } from './format.ts';

/** A comparison as a table, with a sentence for each candidate that was held against the reference. */
export function toComparisonText(comparison: Comparison): string {
  const { job, set, rows, candidates, reference, notes } = comparison;
  const title = `${escapeLine(job)}: ${formatCount(rows)} held-out rows${set === 'test' ? '' : ` (${escapeLine(set)})`}`;
  const header = ['model', 'accuracy', 'macro-F1', 'difference', '95 % interval', 'p', 'verdict'];
  const lines = candidates.map((candidate) => [
    escapeLine(toName(candidate)) + (candidate.name === reference ? ' *' : ''),
    candidate.measures.accuracy.toFixed(3),
    candidate.measures.macro_f1.toFixed(3),
    candidate.difference === null ? '' : toSigned(candidate.difference),
    candidate.interval === null ? '' : `${toSigned(candidate.interval[0])} to ${toSigned(candidate.interval[1])}`,
    candidate.pValue === null ? '' : toPValue(candidate.pValue),
    candidate.verdict ?? '',
  ]);
  const verdicts = candidates.filter(({ verdict }) => verdict !== null).map((candidate) => toSentence(candidate, comparison));
  return [
    title,
    '',
    formatTable([header, ...lines], [1, 2, 3]),
    '',
    '* the reference: the best without training',
    ...verdicts,
    ...toNoteLines(notes),
  ].join('\n');
}

/** The scores of every candidate in full: by label, and which label was taken for which. */
export function toScoresText({ job, set, rows, candidates, labels, notes }: Comparison): string {
  const names = labels.map(escapeLine);
  const blocks = candidates.map((candidate) => {
    const { accuracy, macro_f1 } = candidate.measures;
    const unparseable = candidate.unparseable === 0 ? '' : `, ${candidate.unparseable} answers were no label`;
    const header = ['label', 'precision', 'recall', 'F1', 'rows', ...names.map((name) => `as ${name}`)];
    const lines = candidate.perClass.map(({ label, precision, recall, f1, support }, i) => [
      escapeLine(label),
      ...[precision, recall, f1].map((value) => value.toFixed(3)),
      formatCount(support),
      ...candidate.confusion[i]!.map(formatCount),
    ]);
    const right = header.map((_, column) => column).slice(1);
    return `${escapeLine(toName(candidate))}: accuracy ${accuracy.toFixed(3)}, macro-F1 ${macro_f1.toFixed(3)}${unparseable}\n${formatTable([header, ...lines], right)}`;
  });
  return [`${escapeLine(job)}: ${formatCount(rows)} held-out rows (${escapeLine(set)})`, ...blocks, ...toNoteLines(notes)].join('\n\n');
}

function toNoteLines(notes: readonly string[]): string[] {
  return notes.map((note) => `note: ${escapeLine(note)}`);
}

function toName({ kind, name }: ComparedCandidate): string {
  return kind === 'tuned' ? `${name} (tuned)` : name;
}

function toSigned(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;
}

function toPValue(value: number): string {
  return value < 0.0001 ? '< 0.0001' : value.toFixed(4);
}

function toSentence({ name, verdict }: ComparedCandidate, { reference, margin }: Comparison): string {
  const subject = `verdict: ${escapeLine(name)} `;
  const best = escapeLine(reference);
  switch (verdict) {
    case 'better':
    case 'worse':
      return `${subject}is ${verdict} than the ${best}`;
    case 'not worse':
      return `${subject}is not worse than the ${best} by more than ${margin}`;
    case 'equivalent':
      return `${subject}and the ${best} are equivalent within ${margin}`;
    default:
      return `${subject}cannot be told from the ${best} with these rows`;
  }
}

import type { ComparedCandidate, Comparison } from '../../evaluate/comparison.ts';
import { measures, mostFrequent } from '../../evaluate/measures.ts';
import { completeCommands } from '../cli.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatTable, paint } from './format.ts';

/** Why there may be no comparison at all. */
export const nothingToCompare =
  'nothing to compare: the job has no held-out rows (data.test), its task is not scored (classification, multi-label, regression and chat are), ' +
  'or no provider of its runs answers rows';

/** The numbers of a measure with their titles. */
function listColumns(measure: Comparison['measure']): [keyof ComparedCandidate['measures'], string][] {
  return Object.entries(measures[measure].columns) as [keyof ComparedCandidate['measures'], string][];
}

/** A comparison as a table, with a sentence for each candidate that was compared with the reference. */
export function formatComparison(comparison: Comparison, width = Infinity): string {
  const { job, set, rows, measure, candidates, reference, notes } = comparison;
  const title = `${escapeLine(job)}: ${formatCount(rows)} held-out rows${set === 'test' ? '' : ` (${escapeLine(set)})`}`;
  const columns = listColumns(measure);
  // Models on this machine alone: nobody waits for a service, and nothing is paid.
  const hasLatency = candidates.some(({ latency }) => latency !== null);
  const hasCost = candidates.some(({ cost }) => cost !== null && cost > 0);
  const header = [
    'model',
    ...columns.map(([, name]) => name),
    'difference',
    '95 % interval',
    'p',
    'verdict',
    ...(hasLatency ? ['latency'] : []),
    ...(hasCost ? ['cost'] : []),
  ];
  const lines = candidates.map((candidate) => [
    escapeLine(formatName(candidate)) + (candidate.name === reference ? ' *' : ''),
    ...columns.map(([name]) => formatScore(candidate.measures[name])),
    candidate.difference === null ? '' : formatSigned(candidate.difference),
    candidate.interval === null ? '' : `${formatSigned(candidate.interval[0])} to ${formatSigned(candidate.interval[1])}`,
    candidate.pValue === null ? '' : formatPValue(candidate.pValue),
    candidate.verdict ?? '',
    ...(hasLatency ? [candidate.latency === null ? '' : `${formatCount(Math.round(candidate.latency))} ms`] : []),
    ...(hasCost ? [candidate.cost === null ? '' : toCost(candidate.cost)] : []),
  ]);
  const mostImportant = ['model', columns[0]![1], 'difference', 'verdict', '95 % interval', 'cost', 'latency'];
  const importance = mostImportant.map((name) => header.indexOf(name)).filter((column) => column >= 0);
  const verdicts = candidates.flatMap((candidate) => formatVerdict(candidate, comparison) ?? []);
  return [
    title,
    '',
    ...(candidates.length === 0
      ? []
      : [formatTable([header, ...lines], { right: columns.map((_, i) => i + 1).concat(columns.length + 1), width, importance }), '']),
    ...formatReferenceLine(comparison),
    ...verdicts,
    ...candidates.flatMap((candidate) => formatUnparseable(candidate, measure) ?? []),
    ...formatNoteLines(notes),
  ].join('\n');
}

/** The scores of every candidate in full: by label, and which label was taken for which. */
export function formatScores(comparison: Comparison, width = Infinity): string {
  const { job, set, rows, measure, candidates, labels, notes } = comparison;
  const names = labels.map(escapeLine);
  const blocks = candidates.map((candidate) => {
    const scores = listColumns(measure)
      .map(([name, title]) => `${title} ${formatScore(candidate.measures[name])}`)
      .join(', ');
    const noLabel = candidate.kind === 'reference' ? 'rows got no label' : 'answers were no label';
    const fault = measures[measure].unparseable;
    const wrong = fault !== undefined ? `answers are ${fault}` : labels.length > 0 ? noLabel : 'rows got no answer';
    const unparseable = candidate.unparseable === 0 ? '' : `, ${candidate.unparseable} ${wrong}`;
    const title = `${escapeLine(formatName(candidate))}: ${scores}${unparseable}`;
    if (candidate.perClass.length === 0) return title;
    const others = candidate.confusion.length === 0 ? [] : names.map((name) => `as ${name}`);
    const header = ['label', 'precision', 'recall', 'F1', 'rows', ...others];
    const lines = candidate.perClass.map(({ label, precision, recall, f1, support }, i) => [
      escapeLine(label),
      ...[precision, recall, f1].map((value) => value.toFixed(3)),
      formatCount(support),
      ...(candidate.confusion[i] ?? []).map(formatCount),
    ]);
    const right = header.map((_, column) => column).slice(1);
    return `${title}\n${formatTable([header, ...lines], { right, width })}`;
  });
  const verdicts = candidates.flatMap((candidate) => formatVerdict(candidate, comparison) ?? []);
  const title = `${escapeLine(job)}: ${formatCount(rows)} held-out rows (${escapeLine(set)})`;
  return [title, ...blocks, ...verdicts, ...formatNoteLines(notes)].join('\n\n');
}

/** What kind of model the star marks. */
function formatReferenceLine({ candidates, reference, measure }: Comparison): string[] {
  const chosen = candidates.find(({ name }) => name === reference);
  if (chosen === undefined) return [];
  if (chosen.kind === 'reference') return ['* the reference'];
  if (chosen.kind === 'tuned') return ['* the reference: a tuned model'];
  if (chosen.kind === 'base') return ['* the reference: the model before this training'];
  const untrained = candidates.filter(({ kind }) => kind === 'majority' || kind === 'untrained');
  const sign = measures[measure].isError === true ? -1 : 1;
  const isBest = untrained.every((candidate) => sign * candidate.measures[measure]! <= sign * chosen.measures[measure]!);
  return [isBest ? '* the reference: the best without training' : '* the reference: not trained'];
}

function formatScore(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(3);
}

/** Two digits that count, so that small amounts can be told apart; cents from a dollar on. */
function toCost(usd: number): string {
  if (usd === 0 || usd >= 1) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(Math.max(2, 1 - Math.floor(Math.log10(usd))))}`;
}

function formatUnparseable({ name, kind, unparseable, perClass }: ComparedCandidate, measure: Comparison['measure']): string | null {
  if (unparseable === 0) return null;
  const count = formatCount(unparseable);
  const fault = measures[measure].unparseable;
  if (fault !== undefined) {
    const answers = unparseable === 1 ? '1 answer of' : `${count} answers of`;
    return `note: ${answers} ${escapeLine(name)} ${unparseable === 1 ? `is ${fault} and counts` : `are ${fault} and count`} as wrong`;
  }
  if (perClass.length === 0) return `note: ${count} rows got no answer from ${escapeLine(name)} and count as wrong`;
  return kind === 'reference' // which may have no answer at all
    ? `note: ${count} rows got no label from ${escapeLine(name)} and count as wrong`
    : `note: ${count} answers of ${escapeLine(name)} were no label and count as wrong`;
}

function formatNoteLines(notes: readonly string[]): string[] {
  return notes.map((note) => `note: ${escapeLine(completeCommands(note))}`);
}

function formatName({ kind, name }: ComparedCandidate): string {
  return kind === 'tuned' ? `${name} (tuned)` : kind === 'reference' && !name.endsWith(' (reference)') ? `${name} (reference)` : name;
}

function formatSigned(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;
}

function formatPValue(value: number): string {
  return value < 0.0001 ? '< 0.0001' : value.toFixed(4);
}

function formatVerdict(
  { name, verdict, beatsMajority }: ComparedCandidate,
  { reference, margin, candidates, measure }: Comparison,
): string | null {
  if (verdict === null || reference === null) return null;
  const subject = `verdict: ${escapeLine(name)} `;
  const kind = candidates.find(({ name: one }) => one === reference)?.kind;
  // "the base of gpt", but "old" and "laptop": names that people gave.
  const isHollow = beatsMajority === false;
  const rule = measures[measure].rule ?? mostFrequent;
  const but = isHollow && kind !== 'majority' ? `, but no better than the ${rule}` : '';
  const good = isHollow ? 'yellow' : 'green';
  const best = `${kind === 'majority' || kind === 'untrained' || kind === 'base' ? 'the ' : ''}${escapeLine(reference)}`;
  switch (verdict) {
    case 'better':
      return paint(good, `${subject}is better than ${best}${but}`);
    case 'worse':
      return paint('red', `${subject}is worse than ${best}`);
    case 'not worse':
      return paint(good, `${subject}is not worse than ${best} by more than ${margin}${but}`);
    case 'equivalent':
      return paint(good, `${subject}and ${best} are equivalent within ${margin}${but}`);
    case 'cannot tell':
      return paint('yellow', `${subject}cannot be told from ${best} with these rows`);
  }
}

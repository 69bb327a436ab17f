/** What rows are, in numbers. The text is escaped by who prints it. */
import type { Distribution, RowStats } from '../../prepare/stats.ts';
import { formatCount, formatTable } from './format.ts';
import { formatNote, formatSkipped } from './rows-view.ts';

const shownLabels = 12;
const barWidth = 30;

export function formatStats(stats: RowStats): string {
  const { kind, rows, labels, labelsOfRow, characters, words, tokens, messages, duplicates, notes, skipped } = stats;
  const measures: (readonly [name: string, of: Distribution])[] = [
    ['characters', characters],
    ['words', words],
    ...(tokens === null ? [] : [['tokens', tokens.rows] as const]),
    ...(messages === null ? [] : [['messages', messages] as const]),
    ...(labelsOfRow === null ? [] : [['labels', labelsOfRow] as const]),
  ];
  const numbers = measures.map(([name, { total, least, median, p90, p99, most }]) => [
    name,
    ...[total, least, median, p90, p99, most].map(formatCount),
  ]);
  const learned = tokens?.learned ?? null;
  return [
    `${formatCount(rows)} ${rows === 1 ? 'row' : 'rows'} of ${kind}`,
    formatTable([['a row', 'total', 'least', 'median', '90 %', '99 %', 'most'], ...numbers], { right: [1, 2, 3, 4, 5, 6] }),
    ...formatLabels(labels, rows),
    ...((labelsOfRow?.histogram[0] ?? 0) === 0 ? [] : [`rows without a label: ${formatCount(labelsOfRow!.histogram[0]!)}`]),
    [
      tokens === null
        ? 'characters'
        : `tokens of ${tokens.tokenizer}${learned === null ? '' : `, ${formatCount(learned)} of them learned`}`,
      ...formatHistogram(tokens?.rows ?? characters),
    ].join('\n'),
    ...(messages === null
      ? []
      : [
          `roles: ${Object.entries(messages.roles)
            .map(([role, count]) => `${role} ${formatCount(count)}`)
            .join(', ')}`,
        ]),
    `duplicates: ${formatCount(duplicates.rows)} rows equal an earlier row, ${formatCount(duplicates.inputs)} have its input`,
    ...(tokens?.note == null ? [] : [`note: ${tokens.note}`]),
    ...(notes.length === 0 ? [] : [notes.map(formatNote).join('\n')]),
    ...(skipped.length === 0 ? [] : [formatSkipped(skipped).join('\n')]),
  ].join('\n\n');
}

function formatLabels(labels: Readonly<Record<string, number>>, rows: number): string[] {
  const counts = Object.entries(labels);
  if (counts.length === 0) return [];
  const most = counts[0]![1];
  const shown = counts
    .slice(0, shownLabels)
    .map(([label, count]) => [label.slice(0, 40), formatBar(count, most), formatCount(count), `${((100 * count) / rows).toFixed(1)} %`]);
  const rest =
    counts.length > shown.length
      ? [`and ${formatCount(counts.length - shown.length)} more labels, the rarest with ${formatCount(counts.at(-1)![1])}`]
      : [];
  return [[formatTable([['label', '', 'rows', 'share'], ...shown], { right: [2, 3] }), ...rest].join('\n')];
}

function formatBar(count: number, most: number): string {
  return '█'.repeat(Math.ceil((count / most) * barWidth));
}

/** A bar for each power of two from the shortest to the longest row. */
function formatHistogram({ histogram }: Distribution): string[] {
  const most = Math.max(...histogram);
  const first = histogram.findIndex((count) => count > 0);
  return histogram.slice(first).map((count, i) => {
    const slot = first + i;
    const range = slot <= 1 ? String(slot) : `${formatCount(2 ** (slot - 1))} to ${formatCount(2 ** slot - 1)}`;
    return `  ${range.padEnd(20)} ${formatBar(count, most)} ${formatCount(count)}`.trimEnd();
  });
}

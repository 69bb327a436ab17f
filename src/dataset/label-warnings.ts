/** What is said about labels that can be learned, but hardly are what they should be. */
import { formatValue } from '../lib/text.ts';
import type { PartTally } from './tally.ts';

export type LabelWarning =
  /** Labels that tables and programs write where a value is missing; `counts` are their rows. */
  | {
      readonly type: 'missing-labels';
      readonly part: string;
      readonly labels: readonly string[];
      readonly counts: readonly number[];
      readonly lines: readonly number[];
    }
  /** Nearly all rows have one label. */
  | {
      readonly type: 'uneven-labels';
      readonly part: string;
      readonly label: string;
      readonly share: number;
      readonly least: string;
      readonly leastRows: number;
    };

/** What pandas, spreadsheets, R and databases write for nothing. */
const missing = /^(?:nan|none|null|nil|n\/?a|#n\/a|<na>|undefined|missing|-+|\?+|\.+|\(?empty\)?|\(?blank\)?)$/i;

/** With a larger share, a rule that always gives the most frequent label is hard to beat. */
const mostShare = 0.9;
const fewestRows = 20;

export function findLabelWarnings({ name: part, labels, rows }: PartTally): LabelWarning[] {
  const warnings: LabelWarning[] = [];
  const found = [...labels].filter(([label]) => missing.test(label.trim()));
  if (found.length > 0) {
    const counts = found.map(([, { rows: count }]) => count);
    const lines = found.map(([, { line }]) => line);
    warnings.push({ type: 'missing-labels', part, labels: found.map(([label]) => label), counts, lines });
  }
  const sorted = [...labels].sort(([, a], [, b]) => b.rows - a.rows);
  const [most, least] = [sorted[0], sorted.at(-1)];
  if (most !== undefined && least !== undefined && labels.size > 1 && rows >= fewestRows && most[1].rows > mostShare * rows) {
    const share = most[1].rows / rows;
    warnings.push({ type: 'uneven-labels', part, label: most[0], share, least: least[0], leastRows: least[1].rows });
  }
  return warnings;
}

/** @param where names the part */
export function formatLabelWarning(warning: LabelWarning, where: string): string {
  if (warning.type === 'missing-labels') {
    const shown = warning.labels.map((label, i) => `${formatValue(label)} (${warning.counts[i]} rows)`).join(', ');
    return `labels of the ${where} that look like missing values: ${shown}; the model learns them as any other label`;
  }
  const { label, share, least, leastRows } = warning;
  const percent = `${Math.floor(share * 1000) / 10} %`;
  const others = `${formatValue(least)} has ${leastRows === 1 ? '1 row' : `${leastRows} rows`}`;
  return `${percent} of the rows of the ${where} have the label ${formatValue(label)}, and ${others}: look at macro F1, not at accuracy`;
}

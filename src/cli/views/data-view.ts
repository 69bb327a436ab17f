import type { DataReport, PartReport } from '../../dataset/check.ts';
import type { TokenFacts } from '../../dataset/token-counts.ts';
import type { Finding } from '../../dataset/findings.ts';
import { formatBytes } from '../../lib/text.ts';
import { escapeLine } from '../escape.ts';
import { formatCount } from './format.ts';

const shownLabels = 8;
const barWidth = 30;

/** What data files hold, and everything that is wrong with them. */
export function formatDataReport({ task, parts, findings }: DataReport): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const plural = (count: number, word: string): string => `${count === 0 ? 'no' : formatCount(count)} ${word}${count === 1 ? '' : 's'}`;
  return [
    ...parts.map((part) => formatPart(part, task)),
    ...(findings.length === 0 ? [] : [findings.map(formatFinding).join('\n')]),
    `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`,
  ].join('\n\n');
}

function formatPart({ name, sources, rows, labels, longestCharacters, lengths, tokens }: PartReport, task: string): string {
  const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
  const counts = Object.entries(labels).sort(([, a], [, b]) => b - a);
  const shown = counts.slice(0, shownLabels).map(([label, count]) => `${label.slice(0, 40)} ${formatCount(count)}`);
  const rest = counts.length > shown.length ? [`${formatCount(counts.length - shown.length)} more`] : [];
  return [
    escapeLine(`${name}  ${task}, ${formatCount(rows)} rows that can be used, ${formatBytes(bytes)}`),
    ...(shown.length === 0 ? [] : [escapeLine(`  labels      ${[...shown, ...rest].join(', ')}`)]),
    ...(rows === 0 ? [] : [`  characters  ${formatCount(longestCharacters)} in the longest row`, ...formatLengths(lengths)]),
    ...(tokens === undefined ? [] : [escapeLine(`  tokens      ${formatTokens(tokens)}`)]),
  ].join('\n');
}

function formatTokens({ model, all, learned, longest, limit, cutRows, cutTokens }: TokenFacts): string {
  const cut = `${formatCount(cutTokens)} in ${formatCount(cutRows)} rows cut off after ${formatCount(limit ?? 0)}`;
  return [
    `${formatCount(all)} with ${model}`,
    ...(learned === null ? [] : [`${formatCount(learned)} learned`]),
    `${formatCount(longest)} in the longest row`,
    ...(limit === null ? [] : [cutRows === 0 ? `none cut off after ${formatCount(limit)}` : cut]),
  ].join(', ');
}

/** A bar for each power of two between the shortest and the longest row. */
function formatLengths(lengths: readonly number[]): string[] {
  const most = Math.max(...lengths);
  const first = lengths.findIndex((count) => count > 0);
  return lengths.slice(first).map((count, i) => {
    const range = `${formatCount(2 ** (first + i))} to ${formatCount(2 ** (first + i + 1) - 1)}`;
    return `    ${range.padEnd(20)} ${'█'.repeat(Math.ceil((count / most) * barWidth))} ${formatCount(count)}`.trimEnd();
  });
}

function formatFinding({ severity, code, message, hint, rows, lines }: Finding): string {
  const others = rows !== null && rows > 1 && lines.length > 1 ? `; ${formatCount(rows)} rows: lines ${lines.join(', ')}` : '';
  const more = others !== '' && rows! > lines.length ? ', …' : '';
  const text = `${severity.padEnd(7)}  ${code}: ${message}${others}${more}`;
  return [...text.split('\n'), ...(hint === null ? [] : [`  ${hint}`])]
    .map((line, i) => (i === 0 ? escapeLine(line) : `         ${escapeLine(line)}`))
    .join('\n');
}

import { pathToFileURL } from 'node:url';
import type { Capture, CaptureProgress } from '../../evaluate/capture.ts';
import type { TrainingRows } from '../../evaluate/training-rows.ts';
import { formatUsd } from '../../run/budget.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatLocation } from './format.ts';

/** `12 of 40 rows are answered, $0.0012`. */
export function formatCaptureProgress({ rows, done, usd }: CaptureProgress): string {
  return `${formatCount(done)} of ${formatCount(rows)} rows are answered, ${toCost(usd)}`;
}

/** Says the beginning, and each tenth of the way. */
export function createCaptureLog(say: (line: string) => void): (progress: CaptureProgress) => void {
  let said = -1;
  return (progress) => {
    const tenth = Math.floor((progress.done / progress.rows) * 10);
    if (tenth === said) return;
    said = tenth;
    say(formatCaptureProgress(progress));
  };
}

/** What was captured, and the line by which a job file scores against it. */
export function formatCapture(captured: Capture): string {
  const { name, model, rows, unanswered, unparseable, truncated, asked, usd, path, sha256 } = captured;
  const place = formatLocation(pathToFileURL(path).href);
  const odd = [
    unanswered === 0 ? null : `${formatCount(unanswered)} without an answer`,
    unparseable === null || unparseable === 0 ? null : `${formatCount(unparseable)} that name no label`,
    truncated === 0 ? null : `${formatCount(truncated)} cut short`,
  ].filter((part) => part !== null);
  const source = place.startsWith('/') ? place : `./${place}`;
  return [
    `${escapeLine(place)}  ${formatCount(rows)} answers of ${escapeLine(model)}${odd.length === 0 ? '' : `, ${odd.join(', ')}`}`,
    `  ${toCost(usd)} in all; ${formatCount(asked)} rows were asked just now`,
    `  sha256 ${sha256}`,
    '',
    'A job file in this folder scores against it with',
    `  "references": ${escapeLine(`{"${name}": {"predictions": ${JSON.stringify(source)}}}`)}`,
  ].join('\n');
}

const shownLabels = 20;

/** What was written, what was left out, and whose leave it may need. */
export function formatTrainingRows(out: string, { task, rows, labels, leftOut }: TrainingRows): string {
  const { unanswered, truncated, repeated } = leftOut;
  const left = [
    unanswered === 0 ? null : `${formatCount(unanswered)} without an answer`,
    truncated === 0 ? null : `${formatCount(truncated)} cut short`,
    repeated === 0 ? null : `${formatCount(repeated)} that repeat an input`,
  ].filter((part) => part !== null);
  const counts = Object.entries(labels).sort(([, a], [, b]) => b - a);
  const shown = counts.slice(0, shownLabels).map(([label, count]) => `${escapeLine(label)} ${formatCount(count)}`);
  const rest = counts.length > shownLabels ? ` and ${formatCount(counts.length - shownLabels)} more` : '';
  return [
    `${escapeLine(out)}  ${formatCount(rows)} rows for the task "${task}"`,
    ...(left.length === 0 ? [] : [`  left out: ${left.join(', ')}`]),
    ...(counts.length === 0 ? [] : [`  labels: ${shown.join(', ')}${rest}`]),
    'A provider may forbid training on its answers: check the terms of the service that gave them.',
  ].join('\n');
}

function toCost(usd: number | null): string {
  return usd === null ? 'at an unknown price' : formatUsd(usd);
}

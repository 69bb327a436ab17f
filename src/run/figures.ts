/**
 * Figures of a service that are no figures: below zero, infinite, or a step beyond the last one. They are left out where they come in, with
 * a note, so that no sum, no bar and no stored number ever has to ask again.
 */
import type { Metric } from '../provider/metric.ts';
import type { Note } from '../provider/note.ts';
import type { Observation, Progress } from '../provider/job.ts';
import type { Quote } from '../provider/provider.ts';
import { formatValue } from '../lib/text.ts';

/** Whether a number can be an amount: of dollars, of seconds. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The price; null, as for an unknown one, where it is none. */
export function checkQuote(quote: Quote | null | undefined): Quote | null {
  return quote != null && isAmount(quote.low) && isAmount(quote.high) && quote.low <= quote.high ? quote : null;
}

/** The observation without such figures. @param known the notes of the run: each is made once */
export function checkFigures<Cursor>(seen: Observation<Cursor>, known: readonly Note[]): Observation<Cursor> {
  const problems: string[] = [];
  const progress = seen.progress === null ? null : checkProgress(seen.progress, problems);
  const { cost, nextInMs } = seen;
  const isCost = cost == null || isAmount(cost.usd);
  if (!isCost) problems.push(`a cost of ${formatValue(cost.usd)} dollars: what the job has cost is not known`);
  const metrics = seen.metrics.filter(isMeasured);
  if (metrics.length < seen.metrics.length) problems.push('measurements at a step, or of a value, that is no number');
  const notes = problems
    .map((problem): Note => ({ type: 'warning', message: `the service reports what cannot be, which is left out: ${problem}` }))
    .filter((note) => !known.some((other) => other.type === 'warning' && note.type === 'warning' && other.message === note.message));
  return {
    ...seen,
    progress,
    metrics,
    notes: [...seen.notes, ...notes],
    ...(isCost ? {} : { cost: null }),
    checkpoint: isCount(seen.checkpoint) ? seen.checkpoint : null,
    startedAt: toTime(seen.startedAt),
    finishedAt: toTime(seen.finishedAt),
    nextInMs: isAmount(nextInMs) ? nextInMs : null,
  };
}

function checkProgress(progress: Progress, problems: string[]): Progress | null {
  const { step, steps, epoch, etaSeconds, rowsPerSecond, loss } = progress;
  if (!isCount(step)) {
    problems.push(`a step that is ${formatValue(step)}`);
    return null;
  }
  const isTotal = steps === null || (isCount(steps) && steps >= Math.max(1, step));
  if (!isTotal) problems.push('more steps than it says that there are');
  return {
    step,
    steps: isTotal ? steps : null,
    epoch: isTotal && isAmount(epoch) ? epoch : null,
    etaSeconds: isAmount(etaSeconds) ? etaSeconds : null,
    rowsPerSecond: isAmount(rowsPerSecond) ? rowsPerSecond : null,
    loss: loss !== null && Number.isFinite(loss) ? loss : null,
  };
}

function isMeasured({ value, step, epoch }: Metric): boolean {
  return Number.isFinite(value) && (step === null || isCount(step)) && (epoch === null || isAmount(epoch));
}

function toTime(time: string | null): string | null {
  return time === null || Number.isNaN(Date.parse(time)) ? null : time;
}

import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { LogLine } from './follow-log.ts';
import { addLogLine, toTrainingLog, type TrainingLog } from './follow-metrics.ts';
import { toIsoTime } from './to-iso-time.ts';

export interface LogMetrics {
  readonly log: TrainingLog;
  /** Each measure once. */
  readonly metrics: readonly Metric[];
  /** How many of `metrics` stand before the lines that are new. */
  readonly known: number;
  /** Of the new lines. */
  readonly notes: readonly Note[];
}

/** What a metric is unique by, within a run. */
export function toMetricKey({
  split,
  name,
  coverage,
  step,
  epoch,
}: Pick<Metric, 'split' | 'name' | 'coverage' | 'step' | 'epoch'>): string {
  return JSON.stringify([split, name, coverage, step ?? `epoch ${epoch}`]);
}

/**
 * The measures of a whole log, read anew with each look: what a line means depends on the lines before it.
 * @param fresh how many lines at the end are new
 * @param begin a time for lines that have none, ISO 8601
 */
export function toLogMetrics(
  lines: readonly LogLine[],
  { fresh, epochs, begin }: { fresh: number; epochs: number | null; begin: string },
): LogMetrics {
  let log = toTrainingLog(epochs);
  let at = begin;
  let known = 0;
  const metrics = new Map<string, Metric>();
  const notes: Note[] = [];
  for (const [i, line] of lines.entries()) {
    if (i === lines.length - fresh) known = metrics.size;
    at = toIsoTime(line.at) ?? at;
    const read = addLogLine(log, line.text);
    log = read.log;
    for (const measurement of read.metrics) {
      const key = toMetricKey(measurement);
      if (!metrics.has(key)) metrics.set(key, { ...measurement, at });
    }
    if (i >= lines.length - fresh) notes.push(...read.notes);
  }
  return { log, metrics: [...metrics.values()], known: fresh === 0 ? metrics.size : known, notes };
}

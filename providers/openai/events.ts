import type { Metric } from '../../src/provider/metric.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Dialect } from './dialect.ts';
import { toMetrics, toStep } from './metrics.ts';
import { toJobPath } from './read-job.ts';
import { readList, type Item } from './read-list.ts';

/** Which events have been handed on: those before the window, and in it those with these ids. Plain JSON. */
export interface EventsSeen {
  /** When the newest event happened, ISO 8601; null before the first. */
  readonly at: string | null;
  /** Of the events that happened at most `windowMs` before it. */
  readonly ids: readonly string[];
}

export const noEvents: EventsSeen = { at: null, ids: [] };

/**
 * Events have whole seconds, in which they come in any order, and the parts of a service need not list theirs at the same moment: one
 * that is listed so much later than a younger one is found still.
 */
const windowMs = 5000;

export interface JobEvent {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly level: string;
  readonly message: string;
  /** The step that it measures, and of how many; null where it measures none, or does not say. */
  readonly step: number | null;
  readonly steps: number | null;
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** The events of a job that are new, oldest first, each once. */
export async function readEvents(
  dialect: Dialect,
  { job, seen }: { readonly job: string; readonly seen: EventsSeen },
  context: Context,
): Promise<{ events: JobEvent[]; seen: EventsSeen }> {
  const items = await readList(dialect, { path: `${toJobPath(job)}/events`, sinceMs: toWindow(seen.at) }, context);
  const wasSeen = toWasSeen(seen);
  const fresh = items.filter((item) => !wasSeen(item));
  const at = items.reduce<string | null>((newest, item) => (newest === null || item.at > newest ? item.at : newest), seen.at);
  const ids = items.filter((item) => Date.parse(item.at) >= (toWindow(at) ?? 0)).map(({ id }) => id);
  return { events: fresh.toReversed().map(toJobEvent), seen: { at, ids } };
}

/** Whether an event has been handed on. */
export function toWasSeen(seen: EventsSeen): (event: Pick<JobEvent, 'id' | 'at'>) => boolean {
  const beginMs = toWindow(seen.at);
  const ids = new Set(seen.ids);
  return ({ id, at }) => beginMs !== null && (Date.parse(at) < beginMs || ids.has(id));
}

/** When the window begins, in ms. */
function toWindow(at: string | null): number | null {
  return at === null ? null : Date.parse(at) - windowMs;
}

function toJobEvent({ id, at, wire }: Item): JobEvent {
  const { level, message, data } = wire;
  const text = typeof message === 'string' ? message : '';
  const fields = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  // Older events say only in words which step they measure: "Step 20/300: training loss=0.15".
  const [, step, steps] = /^Step (\d+)(?:\/(\d+))?:/.exec(text) ?? [];
  const measured = toStep(fields['step']) ?? (wire['type'] === 'metrics' && step !== undefined ? Number(step) : null);
  return {
    id,
    at,
    level: typeof level === 'string' ? level : 'info',
    message: text,
    step: measured,
    steps: measured === null ? null : (toStep(fields['total_steps']) ?? (steps === undefined ? null : Number(steps))),
    numbers: measured === null ? {} : fields,
  };
}

export function toEventMetrics({ step, at, numbers }: JobEvent): Metric[] {
  return step === null ? [] : toMetrics(numbers, { step, at, by: 'event' });
}

/** The event as a line of the log. */
export function toLog({ at, level, message }: JobEvent): { at: string; text: string } {
  return { at, text: level === 'info' ? message : `${level}: ${message}` };
}

/** Whether the training runs from then on; OpenAI and Azure say it in words, and every measure shows it. */
export function isStart({ message, step }: JobEvent): boolean {
  return step !== null || /\bjob started\b/i.test(message);
}

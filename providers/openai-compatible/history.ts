/** The events, checkpoints and result files of a job. */
import { failureKinds, isFailure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Metric } from '../../src/provider/metric.ts';
import { isObject } from '../../src/lib/json.ts';
import { toIsoTime } from '../../src/provider-kit/json.ts';
import type { Api, ListOptions, WireItem } from './client.ts';
import { formatJobPath, type Job } from './jobs.ts';
import { parseResultFile, toMetrics, toStep } from './metrics.ts';

export type HistoryList = 'events' | 'checkpoints';

function getListOptions(job: string, list: HistoryList): ListOptions {
  return {
    call: `GET ${formatJobPath(job)}/${list}`,
    list: ({ fineTuning: { jobs } }, page) => (list === 'events' ? jobs.listEvents(job, page) : jobs.checkpoints.list(job, page)),
  };
}

/**
 * The events or checkpoints of a job as the service wrote them, oldest first; null where the service has no such list.
 * @throws Failure where it could not be asked
 */
export async function readHistory(api: Api, job: string, list: HistoryList, context: Context): Promise<readonly WireItem[] | null> {
  try {
    const pages = await Array.fromAsync(api.readList(getListOptions(job, list), context));
    return pages.flat().toReversed();
  } catch (error) {
    if (isFailure(error, 'request-refused')) return null;
    throw error;
  }
}

/** An item of a list with its time. */
interface Item {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly wire: WireItem;
}

/** The items from `sinceMs` on, and perhaps older ones, newest first; all of them where that is null. A service without the list has none. */
async function readItems(
  api: Api,
  { job, list, sinceMs }: { job: string; list: HistoryList; sinceMs: number | null },
  context: Context,
): Promise<Item[]> {
  const items: Item[] = [];
  try {
    for await (const page of api.readList(getListOptions(job, list), context)) {
      const found = page.flatMap((wire) => {
        const at = toIsoTime(wire['created_at']);
        return at === null ? [] : [{ id: wire.id, at, wire }];
      });
      items.push(...found);
      if (sinceMs !== null && found.some(({ at }) => Date.parse(at) < sinceMs)) break;
    }
  } catch (error) {
    // Gateways answer some lists with something else.
    if (!isFailure(error, 'request-refused') && !isFailure(error, 'response-invalid')) throw error;
  }
  return items;
}

/** The events that have been handed on: those before the window, and in it those with these ids. Plain JSON. */
export interface SeenEvents {
  /** When the newest event happened, ISO 8601; null before the first. */
  readonly at: string | null;
  /** Of the events that happened at most `windowMs` before it. */
  readonly ids: readonly string[];
}

export const noEvents: SeenEvents = { at: null, ids: [] };

/**
 * Events have whole seconds, in which they come in any order, and the parts of a service need not list theirs at the same moment: an event
 * that is listed this much later than a younger one is still found.
 */
const windowMs = 5000;

export interface JobEvent {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly level: string;
  readonly message: string;
  /** The step that it measures, and of how many; null where it measures none, or does not say. */
  readonly step: number | null;
  readonly steps: number | null;
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** The new events of a job, oldest first, each once. */
export async function readEvents(
  api: Api,
  { job, seen }: { readonly job: string; readonly seen: SeenEvents },
  context: Context,
): Promise<{ events: JobEvent[]; seen: SeenEvents }> {
  const beginMs = getWindow(seen.at);
  const items = await readItems(api, { job, list: 'events', sinceMs: beginMs }, context);
  const known = new Set(seen.ids);
  const fresh = items.filter(({ id, at }) => beginMs === null || (Date.parse(at) >= beginMs && !known.has(id)));
  const at = items.reduce<string | null>((newest, item) => (newest === null || item.at > newest ? item.at : newest), seen.at);
  const ids = items.filter((item) => Date.parse(item.at) >= (getWindow(at) ?? 0)).map(({ id }) => id);
  return { events: fresh.toReversed().map(toJobEvent), seen: { at, ids } };
}

/** When the window begins, in ms. */
function getWindow(at: string | null): number | null {
  return at === null ? null : Date.parse(at) - windowMs;
}

function toJobEvent({ at, wire }: Item): JobEvent {
  const { level, message, data } = wire;
  const text = typeof message === 'string' ? message : '';
  const fields = isObject(data) ? data : {};
  // Older events name the step that they measure in words only: "Step 20/300: training loss=0.15".
  const [, step, steps] = /^Step (\d+)(?:\/(\d+))?:/.exec(text) ?? [];
  const measured = toStep(fields['step']) ?? (wire['type'] === 'metrics' && step !== undefined ? Number(step) : null);
  return {
    at,
    level: typeof level === 'string' ? level : 'info',
    message: text,
    step: measured,
    steps: measured === null ? null : (toStep(fields['total_steps']) ?? (steps === undefined ? null : Number(steps))),
    numbers: measured === null ? {} : fields,
  };
}

/** A state of the training that the service keeps and answers with; it keeps those of the last epochs. */
export interface Checkpoint {
  readonly id: string;
  readonly at: string;
  readonly step: number;
  /** The name that requests call it by; null where the service does not say. */
  readonly model: string | null;
  readonly metrics: readonly Metric[];
}

/** The checkpoints of a job, by step. */
export async function readCheckpoints(api: Api, job: string, context: Context): Promise<Checkpoint[]> {
  const items = await readItems(api, { job, list: 'checkpoints', sinceMs: null }, context);
  const checkpoints = items.flatMap(({ id, at, wire }): Checkpoint[] => {
    const { step_number, fine_tuned_model_checkpoint: model, metrics } = wire;
    const step = toStep(step_number);
    if (step === null) return [];
    const measured = toMetrics(isObject(metrics) ? metrics : {}, { step, at, origin: 'checkpoint' });
    return [{ id, at, step, model: typeof model === 'string' ? model : null, metrics: measured }];
  });
  return checkpoints.sort((a, b) => a.step - b.step);
}

/** The files that an ended job left behind. */
export function getResultFiles({ result_files: files }: Job): readonly string[] {
  return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : [];
}

/** A step is about 60 bytes. */
const maxBodyBytes = 64 * 1024 * 1024;

/** How long after the end of a job its result file is asked for again, where it cannot be read for now. */
const patienceMs = 3_600_000;

/** All metrics of an ended job, or why they cannot be read. @throws Failure where another poll may succeed */
export async function readResultFiles(api: Api, job: Job, context: Context): Promise<{ metrics: Metric[]; problem: string | null }> {
  const metrics: Metric[] = [];
  // A result file has no other time than that at which its job ended.
  const at = toIsoTime(job['finished_at']) ?? toIsoTime(job['created_at']) ?? context.now().toISOString();
  try {
    for (const file of getResultFiles(job)) {
      const call = `GET /files/${encodeURIComponent(file)}/content`;
      const read = async (): Promise<string> =>
        await api.call({ call, maxBodyBytes }, context, async (client) => await (await client.files.content(file)).text());
      metrics.push(...parseResultFile(await read(), at));
    }
    return { metrics, problem: null };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
    const ageMs = context.now().getTime() - Date.parse(at);
    if (failureKinds[error.code].retryable && ageMs < patienceMs) throw error;
    return { metrics: [], problem: error.message };
  }
}

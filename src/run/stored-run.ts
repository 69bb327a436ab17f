/**
 * The row of a run as its parts. A part that the disk has damaged is made anew from what the store has beside it: the record from the
 * events that it was folded from, the metrics in short from the measurements; the last poll is forgotten.
 */
import { z } from 'zod';
import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { Tables } from '../store/tables.ts';
import type { RunEvent } from './event.ts';
import { addMetrics, listMetrics, type MetricSummaries } from './metrics.ts';
import { createRecord, foldEvent, type RunRecord } from './record.ts';
import { transitions, type RunState } from './transitions.ts';
import type { LastPoll, StoredRun } from './run-store.ts';

type Row = Omit<Tables['run'], 'lease_owner' | 'lease_until'>;

/** A run whose row is damaged. */
export interface DamagedRun {
  /** `job/target#2`. */
  readonly id: string;
  readonly job: string;
  readonly target: string;
  readonly number: number;
  /** What cannot be read: `record`, `observation`, `metrics`. */
  readonly parts: readonly string[];
  /** Whether the rest of the store made up for it. */
  readonly isMended: boolean;
}

const text = z.string();
const things = z.array(z.unknown());
/** What everything that shows or drives a run reads. */
const Record = z.looseObject({
  plan: z.looseObject({
    key: text,
    spec: z.looseObject({ job: text, target: text, provider: text, tags: z.looseObject({}), budget: z.looseObject({}) }),
    facts: z.looseObject({ train: z.looseObject({}), test: z.looseObject({}) }),
    model: z.looseObject({ base: text }),
    notes: things,
  }),
  number: z.int(),
  state: z.enum(Object.keys(transitions) as [RunState, ...RunState[]]),
  since: text,
  artifacts: things,
  notes: things,
  prepared: things,
  checkpoint: z.looseObject({}),
  times: z.looseObject({ created: text }),
});
const Poll = z.looseObject({ nextPollAt: text.nullable(), at: text.nullable() }).nullable();
const Summaries = z.record(text, z.looseObject({ last: z.number() }));

/** The value of a part that is stored as JSON; undefined where it is damaged. */
function parsePart<T>(schema: z.ZodType, json: string | null): T | undefined {
  try {
    const value: unknown = json === null ? null : JSON.parse(json);
    return schema.safeParse(value).success ? (value as T) : undefined; // as it is: the schema does not know all fields
  } catch {
    return undefined;
  }
}

/** The run of a row, and what was damaged; a null run where the rest of the store does not make up for it. */
export async function readRun(store: Store, row: Row): Promise<{ readonly run: StoredRun | null; readonly damaged: DamagedRun | null }> {
  const { key, version, job, target, number } = row;
  const stored = parsePart<RunRecord>(Record, row.record);
  const lastPoll = parsePart<LastPoll | null>(Poll, row.observation);
  const metrics = parsePart<MetricSummaries>(Summaries, row.metrics);
  if (stored !== undefined && lastPoll !== undefined && metrics !== undefined) {
    return { run: { key, version, record: stored, lastPoll, metrics }, damaged: null };
  }
  const parts = Object.entries({ record: stored, observation: lastPoll, metrics }).flatMap(([name, value]) =>
    value === undefined ? name : [],
  );
  const record = stored ?? (await rebuildRecord(store, row).catch(() => null));
  const id = `${job}/${target}${number === 1 ? '' : `#${number}`}`;
  const damaged: DamagedRun = { id, job, target, number, parts, isMended: record !== null };
  if (record === null) return { run: null, damaged };
  const summaries = metrics ?? addMetrics({}, await listMetrics(store, key).catch(() => []));
  return { run: { key, version, record, lastPoll: lastPoll ?? null, metrics: summaries }, damaged };
}

/** @throws where the events are damaged too */
async function rebuildRecord(store: Store, { key, version, state }: Row): Promise<RunRecord | null> {
  const rows = await store.selectFrom('event').selectAll().where('run', '=', key).orderBy('version').execute();
  const events = rows.map(({ type, body, at }) => ({ at, event: { type, ...(JSON.parse(body) as object) } as RunEvent }));
  const [first, ...others] = events;
  if (first?.event.type !== 'run-accepted' || events.length !== version) return null;
  const record = others.reduce((folded, { event, at }) => foldEvent(folded, event, at), createRecord(first.event, first.at));
  return record.state === state && parsePart(Record, JSON.stringify(record)) !== undefined ? record : null;
}

/** In one line: which record of which file, and what to do. @param path of the database */
export function formatDamage({ id, parts, isMended }: DamagedRun, path: string): { readonly message: string; readonly hint: string } {
  const message = `${path}: the record of the run ${id} is damaged (${parts.join(', ')})`;
  return isMended
    ? {
        message,
        hint: `it is shown as the rest of the store has it, and written anew with its next change; check the disk, and keep a copy of the file`,
      }
    : {
        message,
        hint: `restore a copy of the file, or leave the run: all others work, and the job can be submitted with --again; its own job at the service is not touched`,
      };
}

export function toDamageFailure(damaged: DamagedRun, path: string): Failure {
  const { message, hint } = formatDamage(damaged, path);
  return new Failure('configuration-invalid', message, { hint });
}

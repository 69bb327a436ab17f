import { isDeepStrictEqual } from 'node:util';
import type { Observation, Progress } from '../provider/job.ts';
import type { Metric } from '../provider/metric.ts';
import type { FailureData } from '../errors.ts';
import type { RunKey } from '../job/run-key.ts';
import type { Store } from '../store/open-store.ts';
import type { RunEvent } from './event.ts';
import { getRunCharge, setCharge } from './budget.ts';
import { storeMetrics, type MetricSummaries } from './metrics.ts';
import { foldEvent, type RunRecord } from './record.ts';
import { readRun, toDamageFailure, type DamagedRun } from './stored-run.ts';
import { isEnded } from './transitions.ts';

/** What the last poll of the provider returned that is not history. */
export interface LastPoll {
  readonly cursor: unknown;
  readonly progress: Progress | null;
  /** ISO 8601, UTC: when the last poll succeeded. */
  readonly at: string | null;
  /** Why the polls since then have failed, or null. */
  readonly error: FailureData | null;
  /** When polls began to fail, and how many have failed since then. */
  readonly failedPolls: { readonly since: string; readonly times: number } | null;
  readonly nextPollAt: string | null;
  /** The run that has to end before this one starts. */
  readonly waitingFor?: string | null;
  /** What is done before the first step, and how far that is. */
  readonly doing?: string;
}

/** A run as it is stored. */
export interface StoredRun {
  readonly key: RunKey;
  readonly version: number;
  readonly record: RunRecord;
  readonly lastPoll: LastPoll | null;
  /** The metrics in short, so that a list of runs need not read all measurements. */
  readonly metrics: MetricSummaries;
}

/** Another process has taken the lease: what this one found out is not written. */
export class LostLease extends Error {
  constructor(key: RunKey) {
    super(`another process works on the run ${key}`);
    this.name = 'LostLease';
  }
}

/** @throws Failure `configuration-invalid` for a row that is damaged beyond repair */
async function toStoredRun(store: Store, row: Parameters<typeof readRun>[1]): Promise<StoredRun> {
  const { run, damaged } = await readRun(store, row);
  if (run === null) throw toDamageFailure(damaged!, stateFile);
  return run;
}

const stateFile = 'state.db';

export async function findRun(store: Store, key: RunKey): Promise<StoredRun | null> {
  const row = await store.selectFrom('run').selectAll().where('key', '=', key).executeTakeFirst();
  return row === undefined ? null : await toStoredRun(store, row);
}

interface RunFilter {
  readonly job?: string;
  readonly target?: string;
  readonly number?: number;
}

/** Runs, newest first, those of one submission by target; of one job, of one target, of one number. Damaged ones beside them. */
export async function readRuns(
  store: Store,
  filter: RunFilter = {},
): Promise<{ readonly runs: StoredRun[]; readonly damaged: DamagedRun[] }> {
  let query = store.selectFrom('run').selectAll().orderBy('created_at', 'desc').orderBy('number', 'desc').orderBy('target');
  if (filter.job !== undefined) query = query.where('job', '=', filter.job);
  if (filter.target !== undefined) query = query.where('target', '=', filter.target);
  if (filter.number !== undefined) query = query.where('number', '=', filter.number);
  const found: Awaited<ReturnType<typeof readRun>>[] = [];
  for (const row of await query.execute()) found.push(await readRun(store, row));
  return { runs: found.flatMap(({ run }) => run ?? []), damaged: found.flatMap(({ damaged }) => damaged ?? []) };
}

/** The same without those that are damaged beyond repair. */
export async function listRuns(store: Store, filter: RunFilter = {}): Promise<StoredRun[]> {
  return (await readRuns(store, filter)).runs;
}

/** All runs, for who deletes what no run needs. @throws Failure `configuration-invalid` where one is damaged beyond repair */
export async function listAllRuns(store: Store): Promise<StoredRun[]> {
  const { runs, damaged } = await readRuns(store);
  const lost = damaged.find(({ isMended }) => !isMended);
  if (lost !== undefined) throw toDamageFailure(lost, stateFile);
  return runs;
}

function getNextAt({ record: { state }, lastPoll }: StoredRun): number | null {
  if (isEnded(state) || state === 'attention') return null;
  return lastPoll?.nextPollAt == null ? 0 : Date.parse(lastPoll.nextPollAt);
}

/** What one poll of the provider adds beside events. */
export interface PollChange {
  readonly poll: LastPoll;
  readonly metrics?: readonly Metric[];
  readonly logs?: Observation<unknown>['logs'];
}

export interface RunChange extends Partial<PollChange> {
  readonly events: readonly RunEvent[];
  readonly at: string;
  /** That of the lease under which the events happened; null for a request of a person, which may be added at any time. */
  readonly fence: number | null;
}

/**
 * Appends events to a run and folds them into its row and its charge, in one transaction, after what others have appended meanwhile.
 * @param store or the transaction that this is a part of
 * @throws LostLease where another process has taken the lease
 */
export async function appendEvents(store: Store, key: RunKey, change: RunChange): Promise<StoredRun> {
  if (store.isTransaction) return await appendIn(store, key, change);
  return await store.transaction().execute(async (tx) => await appendIn(tx, key, change));
}

async function appendIn(tx: Store, key: RunKey, { events, at, fence, ...change }: RunChange): Promise<StoredRun> {
  const row = await tx.selectFrom('run').selectAll().where('key', '=', key).executeTakeFirstOrThrow();
  if (fence !== null && row.fence !== fence) throw new LostLease(key);
  const run = await toStoredRun(tx, row);
  const record = events.reduce((folded, event) => foldEvent(folded, event, at), run.record);
  const metrics = await storeMetrics(tx, key, { known: run.metrics, metrics: change.metrics ?? [] });
  const next: StoredRun = { key, version: run.version + events.length, record, lastPoll: change.poll ?? run.lastPoll, metrics };
  await tx
    .updateTable('run')
    .set({
      state: record.state,
      version: next.version,
      record: JSON.stringify(record),
      observation: next.lastPoll === null ? null : JSON.stringify(next.lastPoll),
      metrics: JSON.stringify(metrics),
      next_at: getNextAt(next),
    })
    .where('key', '=', key)
    .execute();
  await insertEvents(tx, key, run.version, events, at);
  const charge = getRunCharge(record);
  const hasMoved = record.state !== run.record.state; // a job may have been found whose money was given back
  if (hasMoved || !isDeepStrictEqual(charge, getRunCharge(run.record))) await setCharge(tx, key, charge);
  for (const log of change.logs ?? []) await tx.insertInto('log').values({ run: key, at: log.at, text: log.text }).execute();
  return next;
}

/** Adds the events of a run after those of this version; only in a transaction that changes its row too. */
export async function insertEvents(store: Store, run: RunKey, version: number, events: readonly RunEvent[], at: string): Promise<void> {
  for (const [i, { type, ...body }] of events.entries()) {
    await store
      .insertInto('event')
      .values({ run, version: version + i + 1, at, type, body: JSON.stringify(body) })
      .execute();
  }
}

/** The log lines of a run in the order of arrival. */
export async function listLogs(store: Store, run: RunKey): Promise<{ at: string; text: string }[]> {
  return await store.selectFrom('log').select(['at', 'text']).where('run', '=', run).orderBy('seq').execute();
}

/** Deletes a run and everything about it, except its charge. */
export async function deleteRun(store: Store, run: RunKey): Promise<void> {
  await store.transaction().execute(async (tx) => {
    for (const table of ['event', 'metric', 'log'] as const) await tx.deleteFrom(table).where('run', '=', run).execute();
    await tx.deleteFrom('run').where('key', '=', run).execute();
  });
}

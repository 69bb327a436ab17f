import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DatabaseSync } from 'node:sqlite';
import type { RunEvent } from '../../src/run/event.ts';
import { foldEvent, createRecord, type RunRecord } from '../../src/run/record.ts';

/** What a machine's state says when a trial is over. */
export interface State {
  /** Null where no run was accepted. */
  readonly record: RunRecord | null;
  readonly events: readonly RunEvent[];
  /** What is wrong with the database itself. */
  readonly faults: readonly string[];
}

/** Reads the state of a folder: the database must be whole, and the one run's row the fold of its events. */
export function checkState(folder: string): State {
  const path = join(folder, 'state/state.db');
  if (!existsSync(path)) return { record: null, events: [], faults: [] };
  const database = new DatabaseSync(path, { timeout: 5000 });
  try {
    const faults: string[] = [];
    const { integrity_check: integrity } = database.prepare('pragma integrity_check').get() as { integrity_check: string };
    if (integrity !== 'ok') faults.push(`integrity_check: ${integrity}`);
    if (database.prepare(`select 1 from sqlite_schema where name = 'run'`).get() === undefined) return { record: null, events: [], faults };
    const rows = database.prepare('select record, version, state from run').all() as { record: string; version: number; state: string }[];
    if (rows.length > 1) faults.push(`expected one run, found ${rows.length}`);
    const [row] = rows;
    if (row === undefined) return { record: null, events: [], faults };
    const stored = database.prepare('select at, type, body from event order by version').all() as {
      at: string;
      type: string;
      body: string;
    }[];
    const events = stored.map(({ at, type, body }) => ({ at, event: { type, ...(JSON.parse(body) as object) } as RunEvent }));
    const record = JSON.parse(row.record) as RunRecord;
    if (!isDeepStrictEqual(foldAll(events), record)) faults.push('the row is not the fold of its events');
    if (row.version !== events.length || row.state !== record.state) faults.push('the row disagrees with its record');
    return { record, events: events.map(({ event }) => event), faults };
  } finally {
    database.close();
  }
}

function foldAll(events: readonly { at: string; event: RunEvent }[]): RunRecord | null {
  return events.reduce<RunRecord | null>((record, { at, event }) => {
    if (event.type === 'run-accepted') return createRecord(event, at);
    return foldEvent(record!, event, at);
  }, null);
}

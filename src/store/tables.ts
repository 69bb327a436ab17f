import type { Generated } from 'kysely';

/**
 * The tables of `state.db`. Text and integers only; numbers that are not whole, and structures, are JSON in text. The events are
 * the truth of a run: `run.record` is their fold, written in the same transaction.
 */
export interface Tables {
  run: RunTable;
  event: EventTable;
  metric: MetricTable;
  log: LogTable;
  prediction: PredictionTable;
  limiter: LimiterTable;
  charge: ChargeTable;
}

interface RunTable {
  key: string;
  job: string;
  target: string;
  /** 1 for the first run of a job's target, 2 for the next, … */
  number: number;
  state: string;
  /** How many events the record is the fold of. */
  version: number;
  record: string;
  /** What the last look at the provider gave that is not history: cursor, progress, time, error. */
  observation: string | null;
  /** The metrics in short, the fold of their rows: JSON. */
  metrics: string;
  /** When something is to be done about the run (milliseconds since 1970; 0: now); null where nothing will happen by itself. */
  next_at: number | null;
  /** Who works on the run, until when (milliseconds since 1970), and how often the work has changed hands. */
  lease_owner: string | null;
  lease_until: number;
  fence: number;
  created_at: string;
}

interface EventTable {
  seq: Generated<number>;
  run: string;
  version: number;
  at: string;
  type: string;
  body: string;
}

interface MetricTable {
  run: string;
  split: string;
  name: string;
  coverage: string;
  /** `step:12`, `epoch:1.5` or `none`: what makes a measurement unique beside the columns before it. */
  position: string;
  step: number | null;
  body: string;
}

interface LogTable {
  seq: Generated<number>;
  run: string;
  at: string;
  text: string;
}

interface PredictionTable {
  /** SHA-256 of the model, the row and the settings. */
  key: string;
  body: string;
}

/** How much a service may be asked: a bucket of tokens that fills with time. */
interface LimiterTable {
  /** Provider and credential. */
  name: string;
  /** JSON number. */
  tokens: string;
  /** Milliseconds since 1970. */
  updated_at: number;
  /** The service asked for silence until then. */
  blocked_until: number;
}

/** Money that is set aside or spent. A run's is the fold of its events, written with them; it outlives the run. */
export interface ChargeTable {
  /** Of a training its run key. */
  id: string;
  job: string;
  workspace: string | null;
  /** `training`, `predictions` or `deployment`. */
  what: string;
  state: 'reserved' | 'spent' | 'released';
  /** Millionths of a US dollar: while it is reserved the most that it can be; null where nobody knows. */
  micro_dollars: number | null;
  /** When it was reserved. */
  at: string;
}

/** What each version of the schema adds, in order. A released entry never changes. */
export const migrations: readonly (readonly string[])[] = [
  [
    `create table run (key text primary key, job text not null, target text not null, number integer not null, state text not null,
       version integer not null, record text not null, observation text, metrics text not null, next_at integer,
       lease_owner text, lease_until integer not null default 0, fence integer not null default 0, created_at text not null,
       unique (job, target, number)) strict`,
    `create index run_next on run (next_at) where next_at is not null`,
    `create table event (seq integer primary key, run text not null references run, version integer not null, at text not null,
       type text not null, body text not null, unique (run, version)) strict`,
    `create table metric (run text not null references run, split text not null, name text not null, coverage text not null,
       position text not null, step integer, body text not null, primary key (run, split, name, coverage, position)) strict`,
    `create table log (seq integer primary key, run text not null references run, at text not null, text text not null) strict`,
    `create index log_run on log (run, seq)`,
    `create table prediction (key text primary key, body text not null) strict`,
    `create table limiter (name text primary key, tokens text not null, updated_at integer not null, blocked_until integer not null) strict`,
    `create table charge (id text primary key, job text not null, workspace text, what text not null, state text not null,
       micro_dollars integer, at text not null) strict`,
    `create index charge_job on charge (job)`,
  ],
];

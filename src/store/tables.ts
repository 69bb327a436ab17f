import type { Generated } from 'kysely';

/**
 * The tables of the store. Text and integers only: fractions and structures are JSON in text. The events are the truth of a run;
 * `run.record` is their fold, written in the same transaction.
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
  /** How many events are folded into the record. */
  version: number;
  record: string;
  /** What the last poll of the provider returned that is not history: cursor, progress, time, error. */
  observation: string | null;
  /** The metrics in short, the fold of their rows: JSON. */
  metrics: string;
  /** When the run needs attention again (milliseconds since 1970; 0: now); null where nothing will happen by itself. */
  next_at: number | null;
  /** The process that works on the run, until when (milliseconds since 1970), and how often the lease has changed hands. */
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
  /** `step:12`, `epoch:1.5` or `none`; unique together with the columns before it. */
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
  /** The charge that paid for the answer; null where it was free. */
  charge: string | null;
}

/** How often a service may be called: a bucket of tokens that fills with time. */
interface LimiterTable {
  /** Provider and credential. */
  name: string;
  /** JSON number. */
  tokens: string;
  /** Milliseconds since 1970. */
  updated_at: number;
  /** The service asked for no calls before this time. */
  blocked_until: number;
}

/** Money that is reserved or spent. The charge of a run is the fold of its events, written with them; it outlives the run. */
export interface ChargeTable {
  /** The run key for a training, else a random identifier. */
  id: string;
  job: string;
  workspace: string | null;
  purpose: 'training' | 'evaluation' | 'texts' | 'deployment';
  state: 'reserved' | 'spent' | 'released';
  /** Millionths of a US dollar: the upper limit while it is reserved; null where the price is not known. */
  micro_dollars: number | null;
  /** What the requests that are under way at the same time may cost: a process that dies may have paid for them without an answer. */
  in_flight_micro_dollars: number | null;
  /** The process that spends the reserved money, and until when (milliseconds since 1970). It renews the lease while it lives. */
  lease_owner: string | null;
  lease_until: number | null;
  /** When it was reserved. */
  at: string;
}

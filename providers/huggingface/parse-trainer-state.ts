import type { Note } from '../../src/provider/note.ts';
import { toNonFiniteText } from './follow-metrics.ts';
import { parseMetrics, type Measurement } from './parse-metrics.ts';
import { parsePythonNumber } from './parse-python-dict.ts';
import { parseJsonWithNaN } from './parse-json-with-nan.ts';
import { isObject } from '../../src/lib/json.ts';

/** What a checkpoint's `trainer_state.json` tells of a training. */
export interface TrainerState {
  readonly step: number | null;
  readonly steps: number | null;
  readonly epoch: number | null;
  readonly metrics: readonly Measurement[];
  /** The best evaluation by the measure that the training selected with; which one that was, the file does not say. */
  readonly best: { readonly value: number; readonly step: number | null; readonly checkpoint: string | null } | null;
  readonly notes: readonly Note[];
}

const file = 'trainer_state.json';

/** Reads the text of a `trainer_state.json`; null where it is none. */
export function parseTrainerState(text: string): TrainerState | null {
  const state = parseJsonWithNaN(text);
  if (!isObject(state) || !Array.isArray(state.log_history)) return null;
  const metrics = new Map<string, Measurement>();
  const nonFinite = new Map<string, number | null>();
  let isOver = false;
  for (const row of state.log_history as unknown[]) {
    if (!isObject(row)) continue;
    // As in a log: what is evaluated after the training is the model that was kept, which belongs to no step.
    const isKept = isOver && row.loss === undefined;
    const location = isKept ? { step: null, epoch: null } : { step: toCount(row.step), epoch: toFinite(row.epoch) };
    const read = parseMetrics(
      Object.entries(row).map(([name, value]) => [name, toNumber(value)] as const),
      { ...location, file },
    );
    for (const metric of read.metrics) metrics.set(JSON.stringify([metric.split, metric.name, metric.step ?? metric.epoch]), metric);
    for (const field of read.nonFinite) if (!nonFinite.has(field)) nonFinite.set(field, toFinite(row.epoch));
    isOver = row.loss === undefined && (isOver || row.train_runtime !== undefined);
  }
  return {
    step: toCount(state.global_step),
    steps: toCount(state.max_steps),
    epoch: toFinite(state.epoch),
    metrics: [...metrics.values()],
    best: toBest(state),
    notes: [...nonFinite].slice(0, 20).map(([field, epoch]) => ({ type: 'warning', message: `${file}: ${toNonFiniteText(field, epoch)}` })),
  };
}

function toBest(state: Record<string, unknown>): TrainerState['best'] {
  const value = toFinite(state.best_metric);
  if (value === null) return null;
  const checkpoint = typeof state.best_model_checkpoint === 'string' ? state.best_model_checkpoint : null;
  const named = checkpoint === null ? null : /checkpoint-(\d{1,15})\/?$/.exec(checkpoint);
  return { value, step: toCount(state.best_global_step) ?? (named === null ? null : Number(named[1])), checkpoint };
}

function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parsePythonNumber(value) : null;
}

function toFinite(value: unknown): number | null {
  const number = toNumber(value);
  return number !== null && Number.isFinite(number) ? number : null;
}

function toCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

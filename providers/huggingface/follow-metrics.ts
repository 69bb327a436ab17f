import type { Note } from '../../src/provider/note.ts';
import type { Progress } from '../../src/provider/job.ts';
import { parseLogLine, type LogFact } from './parse-log-line.ts';
import { parseMetrics, type Measurement } from './parse-metrics.ts';
import type { DictEntry } from './parse-python-dict.ts';

/** What is known of a training from the lines of its log so far: small, and JSON. */
export interface TrainingLog {
  /** Passes over the training rows, where the log or the job says it; with `steps` it gives the step of an event. */
  readonly epochs: number | null;
  readonly steps: number | null;
  /** The newest bar where it has another length: an evaluation's, or that of a training which began anew. */
  readonly other: { readonly step: number; readonly steps: number } | null;
  readonly step: number | null;
  readonly etaSeconds: number | null;
  readonly epoch: number | null;
  readonly loss: number | null;
  /** After its last step; what is measured then is the model that was kept. */
  readonly isOver: boolean;
  /** AutoTrain's last record, which transformers says once more with a rounded epoch; null once it did. */
  readonly unrepeated: { readonly values: string; readonly epoch: number | null } | null;
  /** Fields that were told to be no finite number. */
  readonly nonFinite: readonly string[];
}

export interface ReadLine {
  readonly log: TrainingLog;
  readonly metrics: readonly Measurement[];
  readonly notes: readonly Note[];
}

/** The beginning of a log. `epochs`: as the job asked for, where it did; AutoTrain says it itself. */
export function toTrainingLog(epochs: number | null): TrainingLog {
  return {
    epochs,
    steps: null,
    other: null,
    step: null,
    etaSeconds: null,
    epoch: null,
    loss: null,
    isOver: false,
    unrepeated: null,
    nonFinite: [],
  };
}

/** Reads the next line. The same lines give the same metrics, however they are parted into looks. */
export function addLogLine(log: TrainingLog, line: string): ReadLine {
  const metrics: Measurement[] = [];
  const notes: Note[] = [];
  let now = log;
  for (const fact of parseLogLine(line)) {
    if (fact.type === 'epochs') now = { ...now, epochs: fact.epochs };
    else if (fact.type === 'bar') now = addBar(now, fact);
    else {
      const read = addMeasures(now, fact);
      now = read.log;
      metrics.push(...read.metrics);
      notes.push(...read.notes);
    }
  }
  return { log: now, metrics, notes };
}

/** How far the training is; null while no step is known. */
export function toProgress({ step, steps, epoch, etaSeconds, loss }: TrainingLog): Progress | null {
  return step === null ? null : { step, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}

/** The first bar that counts steps is the training's; those of evaluations come later and mostly have another length. */
function addBar(log: TrainingLog, { step, steps, etaSeconds }: LogFact & { type: 'bar' }): TrainingLog {
  if (log.isOver || steps === 0) return log;
  if (log.steps !== null && log.steps !== steps) return { ...log, other: { step, steps } };
  return { ...log, steps, other: null, step: Math.max(step, log.step ?? 0), etaSeconds };
}

/** A training that began anew with smaller batches has more steps, and trains while its bar is not full; an evaluation's bar is full by then. */
function withNewSteps(log: TrainingLog, loss: number | null): TrainingLog {
  const { other, steps } = log;
  if (loss === null || other === null || steps === null || other.steps < steps || other.step === other.steps) return log;
  return { ...log, ...other, other: null };
}

function addMeasures(before: TrainingLog, { entries, isAutoTrains }: LogFact & { type: 'measures' }): ReadLine {
  const epoch = entries.find(({ name }) => name === 'epoch');
  const at = epoch?.value ?? null;
  const values = JSON.stringify(entries.filter((entry) => entry !== epoch).map(({ name, value }) => [name, String(value)]));
  if (!isAutoTrains && isRepetition(before, values, at)) return { log: { ...before, unrepeated: null }, metrics: [], notes: [] };

  const valueOf = (name: string): number | null => entries.find((entry) => entry.name === name)?.value ?? null;
  const loss = valueOf('loss');
  const log = withNewSteps(before, loss);
  // A new training in the same log, or the end of this one.
  const isOver = loss === null && (log.isOver || valueOf('train_runtime') !== null);
  // What is evaluated after the training is the model that was kept, which can be an earlier one: it belongs to no step.
  const isKept = log.isOver && isOver;
  const step = isKept ? null : toStep(log, epoch, isAutoTrains);
  const row = entries.map(({ name, value }) => [name, value] as const);
  const { metrics, nonFinite } = parseMetrics(row, { step, epoch: isKept ? null : toFinite(at), file: null });
  const untold = nonFinite.filter((name) => !log.nonFinite.includes(name)).slice(0, Math.max(0, mostNotes - log.nonFinite.length));
  return {
    log: {
      ...log,
      step: step === null ? log.step : Math.max(step, log.step ?? 0),
      epoch: toFinite(at) ?? log.epoch,
      loss: toFinite(loss) ?? log.loss,
      etaSeconds: isOver ? 0 : log.etaSeconds,
      isOver,
      unrepeated: isAutoTrains ? { values, epoch: at } : null,
      nonFinite: [...log.nonFinite, ...untold],
    },
    metrics,
    notes: untold.map((name) => ({ type: 'warning', message: toNonFiniteText(name, at) })),
  };
}

const mostNotes = 20;

/** What a note says about a measure that is kept out of the metrics. */
export function toNonFiniteText(field: string, epoch: number | null): string {
  return `the training reports a ${field} that is no finite number${epoch === null ? '' : ` at epoch ${epoch}`}; it is left out of the metrics`;
}

function toFinite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

function isRepetition({ unrepeated }: TrainingLog, values: string, epoch: number | null): boolean {
  if (unrepeated === null || unrepeated.values !== values) return false;
  if (unrepeated.epoch === null || epoch === null) return unrepeated.epoch === epoch;
  return Math.abs(unrepeated.epoch - epoch) <= 0.005 + 1e-9;
}

/**
 * The step of an event from its epoch, which is all that its line tells: the bar beside it may be late. Null where the digits of the epoch
 * leave more than one step possible, or where the steps of an epoch are not equally long.
 */
function toStep({ steps, epochs }: TrainingLog, epoch: DictEntry | undefined, isAutoTrains: boolean): number | null {
  if (steps === null || epochs === null || epoch === undefined || epoch.value === null || !(epoch.value > 0)) return null;
  const exact = (epoch.value * steps) / epochs;
  const step = Math.round(exact);
  const slack = (toRounding(epoch.value, epoch.isQuoted, isAutoTrains) * steps) / epochs;
  return step <= steps && slack <= 0.25 && Math.abs(exact - step) <= slack + 1e-6 * step ? step : null;
}

/** How far a printed epoch can be from the true one: whole from AutoTrain, four digits from transformers 5, two decimals from transformers 4. */
function toRounding(epoch: number, isQuoted: boolean, isAutoTrains: boolean): number {
  if (isQuoted) return 0.5 * 10 ** (Math.floor(Math.log10(epoch)) - 3);
  return isAutoTrains ? 0 : 0.005;
}

import { join } from 'node:path';
import { z } from 'zod';
import { failureKinds, type FailureCode, type FailureData } from '../errors.ts';
import type { Progress } from '../provider/job.ts';
import type { Metric } from '../provider/metric.ts';
import type { Note } from '../provider/note.ts';
import type { TrainerEvent } from '../trainer/protocol.ts';

/*
 * Events report how a training goes, and this fold says what they mean for a run. The trainer of this program writes TrainerEvents; a program
 * that runs other trainers, such as transformers, writes EngineEvents.
 */

const Count = z.int().min(0);
const Values = z.record(z.string(), z.number());
const event = <T extends string, Shape extends z.ZodRawShape>(type: T, shape: Shape) =>
  z.object({ type: z.literal(type), at: z.iso.datetime(), ...shape });

/** An event of a program that runs trainers of others. Numbers that are not known are null. */
export const EngineEvent = z.discriminatedUnion('type', [
  event('engine-started', { engine: z.string(), task: z.string() }),
  event('progress-made', {
    step: Count,
    steps: Count.nullable(),
    epoch: z.number().nullable(),
    etaSeconds: z.number().nullable(),
    loss: z.number().nullable(),
  }),
  /** Measures by the names of transformers: `eval_` stands for the validation split. `file`: their source, if not the log. */
  event('values-measured', { step: Count.nullable(), epoch: z.number().nullable(), values: Values, file: z.string().optional() }),
  event('warning-raised', { message: z.string() }),
  event('training-finished', { step: Count.nullable() }),
  event('training-failed', {
    code: z.string(),
    cause: z.enum(['user', 'data', 'quota', 'provider', 'timeout', 'no_capacity', 'program']).optional(),
    message: z.string(),
    hint: z.string().nullable(),
  }),
  event('model-uploaded', { repository: z.string() }),
]);
export type EngineEvent = Readonly<z.infer<typeof EngineEvent>>;

/** The members of an observation that events decide. */
export interface TrainingReport {
  /** The newest; null without an event about a step. */
  readonly progress: Progress | null;
  readonly metrics: readonly Metric[];
  readonly logs: readonly { readonly at: string; readonly text: string }[];
  readonly notes: readonly Note[];
  readonly failure: FailureData | null;
  /** The step of the newest checkpoint. */
  readonly checkpoint: number | null;
}

/**
 * What new events say.
 * @param folder where the trainer writes, for messages; absent: on another machine
 */
export function foldEvents(events: readonly (TrainerEvent | EngineEvent)[], folder?: string): TrainingReport {
  const steps = events.flatMap((event) => (event.type === 'checkpoint-written' ? event.step : []));
  return {
    progress: events.reduce<Progress | null>((progress, event) => getProgress(event) ?? progress, null),
    metrics: events.flatMap(getMetrics).filter(({ value }) => Number.isFinite(value)), // a loss on its way to a divergence is no measure
    logs: events.flatMap((event) => formatEvent(event).map((text) => ({ at: event.at, text }))),
    notes: events.flatMap((event) => getNotes(event, folder)),
    failure: events.reduce<FailureData | null>(
      (failure, event) => (event.type === 'trainer-started' ? null : (failure ?? getFailure(event))),
      null,
    ),
    checkpoint: steps.length === 0 ? null : Math.max(...steps),
  };
}

function getProgress(event: TrainerEvent | EngineEvent): Progress | null {
  if (event.type !== 'step-finished' && event.type !== 'progress-made') return null;
  const { step, steps, epoch, etaSeconds, loss } = event;
  return { step, steps, epoch, etaSeconds, rowsPerSecond: event.type === 'step-finished' ? event.rowsPerSecond : null, loss };
}

/** What validations measure beside the loss. */
const measures = [
  { source: 'accuracy', name: 'accuracy', title: 'accuracy' },
  { source: 'microF1', name: 'micro_f1', title: 'micro-F1' },
  { source: 'meanAbsoluteError', name: 'mean_absolute_error', title: 'mean absolute error' },
  { source: 'rewardAccuracy', name: 'reward_accuracy', title: 'reward accuracy' },
] as const;

function getMetrics(event: TrainerEvent | EngineEvent): Metric[] {
  if (event.type === 'values-measured') return Object.entries(event.values).map(([field, value]) => toMetric(field, value, event));
  if (event.type === 'step-finished') {
    const shared = { split: 'train', step: event.step, epoch: event.epoch, coverage: 'batch', at: event.at } as const;
    return [
      { ...shared, name: 'loss', value: event.loss, source: 'loss' },
      { ...shared, name: 'learning_rate', value: event.learningRate, source: 'learningRate' },
      { ...shared, name: 'grad_norm', value: event.gradNorm, source: 'gradNorm' },
    ];
  }
  if (event.type === 'epoch-evaluated') {
    const shared = { split: 'validation', step: event.step, epoch: event.epoch, coverage: 'full', at: event.at } as const;
    return [
      { ...shared, name: 'loss', value: event.loss, source: 'loss' },
      ...measures.flatMap(({ source, name }) => {
        const value = event[source];
        return value === undefined ? [] : [{ ...shared, name, value, source }];
      }),
    ];
  }
  return [];
}

const evaluated = 'eval_';
const speed = /(?:^|_)(?:runtime|samples_per_second|steps_per_second|tokens_per_second|total_flos)$/;

/**
 * A measure of transformers. An evaluation covers all rows of the validation split; other measures are about the batches since the last ones.
 * Speeds, and `train_loss`, which is the mean over the whole training, have no common name.
 */
function toMetric(field: string, value: number, { step, epoch, at, file }: Extract<EngineEvent, { type: 'values-measured' }>): Metric {
  const isValidation = field.startsWith(evaluated);
  const hasOwnName = speed.test(field) || field.startsWith('train_');
  return {
    name: hasOwnName ? `x/${field}` : isValidation ? field.slice(evaluated.length) : field,
    split: isValidation ? 'validation' : 'train',
    step,
    epoch,
    value,
    coverage: hasOwnName ? 'unreported' : isValidation ? 'full' : 'batch',
    source: file === undefined ? field : `${file}: ${field}`,
    at,
  };
}

/** An event as a line of a run's log; none for events that come often. */
export function formatEvent(event: TrainerEvent | EngineEvent): string[] {
  switch (event.type) {
    case 'trainer-started':
      return [`trainer started (backend ${event.backend}${formatThreads(event.threads)}, process ${event.pid})`];
    case 'training-queued':
      return [`waits until ${event.behind} has ended`];
    case 'engine-started':
      return [`running ${event.engine} for ${event.task}`];
    case 'data-read':
      return [
        `${event.rows} training rows${event.read === undefined ? '' : `, of which the steps read ${event.read}`}, ${event.validationRows} validation rows, ${event.truncated} cut; ${event.steps} steps`,
        ...(event.learning === undefined ? [] : [formatLearning(event.learning)]),
        ...(event.library === undefined ? [] : [`computes with ${event.library}`]),
      ];
    case 'epoch-evaluated':
      return [`epoch ${event.epoch}: validation loss ${event.loss.toFixed(4)}${formatMeasures(event)} (${event.rows} rows)`];
    case 'model-written':
      return [`weights of step ${event.step} written to ${event.folder}/`];
    case 'model-uploaded':
      return [`the model is in ${event.repository}`];
    case 'training-finished':
      return 'seconds' in event ? [`finished after ${event.step} steps in ${event.seconds.toFixed(1)} s`] : [];
    case 'training-ended-early':
      return [formatEarlyEnd(event)];
    case 'training-cancelled':
      return [`cancelled after ${event.step} steps`];
    case 'training-failed':
      return [`failed: ${event.message}`];
    case 'training-stopped':
      return [`stopped: ${event.message}`];
    case 'training-paused':
      return [`paused after step ${event.step}`];
    case 'training-resumed':
      return [event.step === 0 ? 'starts again from the beginning: there is no checkpoint' : `goes on after step ${event.step}`];
    case 'checkpoint-skipped':
      return [event.reason];
    case 'rows-read':
    case 'step-finished':
    case 'checkpoint-written':
    case 'progress-made':
    case 'values-measured':
    case 'warning-raised':
      return [];
  }
}

function formatMeasures(event: Extract<TrainerEvent, { type: 'epoch-evaluated' }>): string {
  return measures.map(({ source, title }) => (event[source] === undefined ? '' : `, ${title} ${event[source].toFixed(4)}`)).join('');
}

/** `stopped early after step 40 of 120: the validation loss was best at step 20, and no better in the 2 validations after that` */
function formatEarlyEnd({ step, steps, best, patience, by }: Extract<TrainerEvent, { type: 'training-ended-early' }>): string {
  const validations = patience === 1 ? 'the validation' : `the ${patience} validations`;
  const what = by === 'loss' ? 'the validation loss' : 'the measure of the validation rows';
  return `stopped early after step ${step} of ${steps}: ${what} was best at step ${best}, and no better in ${validations} after that`;
}

function formatLearning({ rows, tokens, learned }: { readonly rows: number; readonly tokens: number; readonly learned: number }): string {
  return `${learned} of ${tokens} tokens are learned in ${rows === 1 ? 'the first text' : `the first ${rows} texts`}`;
}

function formatThreads(threads = 1): string {
  return threads > 1 ? `, ${threads} threads` : '';
}

function getNotes(event: TrainerEvent | EngineEvent, folder: string | undefined): Note[] {
  const drawn = event.type === 'data-read' && event.drawn !== undefined ? [formatDrawn(event.drawn)] : [];
  const library = event.type === 'data-read' ? (event.warning ?? null) : null;
  const end = event.type === 'training-ended-early' ? [formatEarlyEnd(event)] : [];
  const learning = event.type === 'data-read' ? (event.learning?.warnings ?? []) : [];
  return [formatWarning(event, folder), library, ...learning, ...drawn, ...end]
    .filter((message) => message !== null)
    .map((message) => ({ type: 'warning', message }));
}

/** Says of parameters that a model's folder lacks what becomes of them. */
export function formatDrawn(drawn: readonly string[]): string {
  return `the model has no ${drawn.join(', ')}, as models for masked words: drawn anew from the seed, as transformers does`;
}

function formatWarning(event: TrainerEvent | EngineEvent, folder: string | undefined): string | null {
  if (event.type === 'warning-raised') return event.message;
  if (event.type === 'checkpoint-skipped') return event.reason;
  if (event.type === 'trainer-started' && event.threads !== undefined && event.cores !== undefined && event.cores < event.threads) {
    return `the training computes with the ${event.threads} threads that it was planned with; this machine has fewer cores (${event.cores}), which makes it slower and changes no result`;
  }
  if (event.type === 'data-read' && event.truncated > 0) {
    const [rows, were] = event.truncated === 1 ? ['1 row', 'was'] : [`${event.truncated} rows`, 'were'];
    return `${rows} ${were} longer than the model reads and ${were} cut`;
  }
  if (event.type === 'training-resumed' && event.changed !== null) {
    return `the training goes on with other programs, which may change its last digits: ${event.changed}`;
  }
  if (event.type === 'model-written' && event.folder === 'unfinished') {
    return `the weights of step ${event.step} are in ${join(folder ?? '', event.folder)}; the training did not end`;
  }
  return null;
}

function getFailure(event: TrainerEvent | EngineEvent): FailureData | null {
  if (event.type !== 'training-failed' && event.type !== 'training-stopped') return null;
  const { message, hint } = event;
  const code = (Object.hasOwn(failureKinds, event.code) ? event.code : 'unexpected') as FailureCode;
  const { cause, retryable } = failureKinds[code];
  return { code, cause: ('cause' in event ? event.cause : undefined) ?? cause, message, hint, retryable };
}

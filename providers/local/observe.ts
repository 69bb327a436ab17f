import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure, failureKinds, toFailureData, type FailureCode, type FailureData } from '../../src/failure.ts';
import type { Metric } from '../../src/contract/metric.ts';
import type { Note } from '../../src/contract/note.ts';
import type { Artifact, Attempt, JobRef, Observation, Progress } from '../../src/contract/provider.ts';
import type { Phase } from '../../src/contract/status.ts';
import { takeRunLock } from '../../src/run-lock.ts';
import type { TrainerEvent, TrainFile } from '../../src/trainer/files.ts';
import { readLogTail, readTrainerEvents } from './run-folder.ts';

export interface LocalCursor {
  /** Bytes of `events.jsonl` that were read. */
  readonly offset: number;
  readonly word: LocalWord;
}

/** The trainer's status words: derived from its events, `lost` from its lock. */
export const words = {
  starting: 'queued',
  training: 'running',
  saved: 'finalizing',
  finished: 'succeeded',
  cancelled: 'cancelled',
  failed: 'failed',
  lost: 'failed',
} as const satisfies Record<string, Phase>;

export type LocalWord = keyof typeof words;

/** How often a training on this machine is worth a look. */
const lookMs = 200;

export async function observe(job: JobRef, cursor: LocalCursor | null, c: Attempt): Promise<Observation<LocalCursor>> {
  const from = cursor ?? { offset: 0, word: 'starting' };
  const living = isTrainerAlive(c.workDir);
  const { events, offset } = await readTrainerEvents(c.workDir, from.offset);
  const spoken = events.reduce<LocalWord>((word, event) => toWord(event) ?? word, from.word);
  const ended = ['succeeded', 'failed', 'cancelled'].includes(words[spoken]);
  // Asked before the events were read: a trainer that was gone by then has written all that it ever will.
  const word = !ended && !living ? 'lost' : spoken;
  const failed = events.find((event) => event.type === 'training-failed');
  return {
    status: { phase: words[word], raw: word },
    progress: events.reduce<Progress | null>((progress, event) => toProgress(event) ?? progress, null),
    metrics: events.flatMap(toMetrics),
    logs: events.flatMap((event) => toLogText(event).map((text) => ({ at: event.at, text }))),
    artifacts: await toArtifacts(events, c),
    checkpoint: null,
    notes: events.flatMap((event) => toNotes(event, c.workDir)),
    failure: failed !== undefined ? toTrainerFailure(failed) : word === 'lost' ? await toLostFailure(job, c.workDir) : null,
    startedAt: events.find((event) => event.type === 'trainer-started')?.at ?? null,
    finishedAt: ended ? (events.findLast((event) => toWord(event) === spoken)?.at ?? null) : null,
    cursor: { offset, word },
    nextInMs: lookMs,
  };
}

function isTrainerAlive(folder: string): boolean {
  const lock = takeRunLock(join(folder, 'run.lock.db'), 0);
  lock?.release();
  return lock === null;
}

function toWord(event: TrainerEvent): LocalWord | null {
  switch (event.type) {
    case 'trainer-started':
      return 'starting';
    case 'data-read':
    case 'step-finished':
    case 'epoch-evaluated':
      return 'training';
    case 'model-written':
      return event.folder === 'model' ? 'saved' : null;
    case 'training-finished':
      return 'finished';
    case 'training-cancelled':
      return 'cancelled';
    case 'training-failed':
      return 'failed';
  }
}

function toProgress(event: TrainerEvent): Progress | null {
  if (event.type !== 'step-finished') return null;
  const { step, steps, epoch, etaSeconds, rowsPerSecond, loss } = event;
  return { step, steps, epoch, etaSeconds, rowsPerSecond, loss };
}

function toMetrics(event: TrainerEvent): Metric[] {
  if (event.type === 'step-finished') {
    const of = { split: 'train', step: event.step, epoch: event.epoch, coverage: 'batch', at: event.at } as const;
    return [
      { ...of, name: 'loss', value: event.loss, source: 'loss' },
      { ...of, name: 'learning_rate', value: event.learningRate, source: 'learningRate' },
      { ...of, name: 'grad_norm', value: event.gradNorm, source: 'gradNorm' },
    ];
  }
  if (event.type === 'epoch-evaluated') {
    const of = { split: 'validation', step: event.step, epoch: event.epoch, coverage: 'full', at: event.at } as const;
    return [
      { ...of, name: 'loss', value: event.loss, source: 'loss' },
      { ...of, name: 'accuracy', value: event.accuracy, source: 'accuracy' },
    ];
  }
  return [];
}

function toLogText(event: TrainerEvent): string[] {
  switch (event.type) {
    case 'trainer-started':
      return [`trainer started (backend ${event.backend}, process ${event.pid})`];
    case 'data-read':
      return [`${event.rows} training rows, ${event.validationRows} validation rows, ${event.truncated} cut; ${event.steps} steps`];
    case 'step-finished':
      return [];
    case 'epoch-evaluated':
      return [`epoch ${event.epoch}: validation loss ${event.loss.toFixed(4)}, accuracy ${event.accuracy.toFixed(4)} (${event.rows} rows)`];
    case 'model-written':
      return [`weights of step ${event.step} written to ${event.folder}/`];
    case 'training-finished':
      return [`finished after ${event.step} steps in ${event.seconds.toFixed(1)} s`];
    case 'training-cancelled':
      return [`cancelled after ${event.step} steps`];
    case 'training-failed':
      return [`failed: ${event.message}`];
  }
}

async function toArtifacts(events: readonly TrainerEvent[], c: Attempt): Promise<Artifact[]> {
  const written = events.filter((event) => event.type === 'model-written').find((event) => event.folder === 'model');
  if (written === undefined) return [];
  const { model } = JSON.parse(await readFile(join(c.workDir, 'train.json'), 'utf8')) as TrainFile;
  const path = join(c.workDir, written.folder);
  const ref = {
    kind: 'folder',
    identity: written.sha256,
    path,
    labels: model.labels,
    seed: model.seed,
    maxLength: model.maxLength,
  } as const;
  return [{ kind: 'folder', uri: pathToFileURL(path).href, sha256: written.sha256, model: ref }];
}

function toNotes(event: TrainerEvent, folder: string): Note[] {
  if (event.type === 'data-read' && event.truncated > 0) {
    return [{ type: 'warning', message: `${event.truncated} rows were longer than the model reads and were cut` }];
  }
  if (event.type === 'model-written' && event.folder === 'unfinished') {
    return [
      { type: 'warning', message: `the weights of step ${event.step} lie in ${join(folder, event.folder)}; the training did not end` },
    ];
  }
  return [];
}

function toTrainerFailure(event: Extract<TrainerEvent, { type: 'training-failed' }>): FailureData {
  const code = (event.code in failureKinds ? event.code : 'unexpected') as FailureCode;
  return toFailureData(new Failure(code, event.message, event.hint === null ? {} : { hint: event.hint }));
}

async function toLostFailure(job: JobRef, folder: string): Promise<FailureData> {
  const tail = await readLogTail(folder);
  const message = `the trainer (${job.id}) is gone without having said why${tail === '' ? '' : `; its last words:\n${tail}`}`;
  return toFailureData(new Failure('trainer-died', message, { hint: 'submit again with --again' }));
}

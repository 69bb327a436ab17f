import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure, failureKinds, toFailureData, type FailureCode, type FailureData } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { Artifact, JobRef, Observation, Progress } from '../../src/provider/job.ts';
import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Phase } from '../../src/provider/status.ts';
import { listCheckpoints, readTrainFile, type TrainerEvent } from '../../src/trainer/protocol.ts';
import { eventsBegin, isTrainerAlive, readLogTail, readTrainerEvents, type EventPlace } from './run-folder.ts';

/** The trainer's status: derived from its events, `lost` from its lock. */
export const statusMap = {
  starting: 'queued',
  training: 'running',
  saved: 'finalizing',
  paused: 'paused',
  lost: 'interrupted',
  finished: 'succeeded',
  cancelled: 'cancelled',
  failed: 'failed',
} as const satisfies Record<string, Phase>;

export type LocalStatus = keyof typeof statusMap;

/** What an event makes of a training; null where it stays what it was. */
function getStatus(event: TrainerEvent): LocalStatus | null {
  switch (event.type) {
    case 'trainer-started':
      return 'starting';
    case 'data-read':
    case 'training-resumed':
    case 'step-finished':
    case 'epoch-evaluated':
      return 'training';
    case 'model-written':
      return event.folder === 'model' ? 'saved' : null;
    case 'training-paused':
      return 'paused';
    case 'training-finished':
      return 'finished';
    case 'training-cancelled':
      return 'cancelled';
    case 'training-failed':
      return 'failed';
    case 'checkpoint-written':
    case 'checkpoint-skipped':
      return null;
  }
}

/** What a training is after further events. */
export function getLastStatus(events: readonly TrainerEvent[], before: LocalStatus): LocalStatus {
  return events.reduce((status, event) => getStatus(event) ?? status, before);
}

/** Whether nothing follows a status. */
export function isEnd(status: LocalStatus): boolean {
  return status === 'finished' || status === 'cancelled' || status === 'failed';
}

export interface LocalCursor {
  readonly place: EventPlace;
  /** What the trainer's events made of it so far. */
  readonly word: LocalStatus;
  /** Whether the trainer was found gone. */
  readonly isLost: boolean;
  /** When it started for the first time. */
  readonly startedAt: string | null;
}

const beginning: LocalCursor = { place: eventsBegin, word: 'starting', isLost: false, startedAt: null };

/** How often a training on this machine is worth a look. */
const pollMs = 200;

export async function observe(_job: JobRef, cursor: LocalCursor | null, context: Attempt): Promise<Observation<LocalCursor>> {
  context.signal.throwIfAborted();
  const { workDir } = context;
  const isAlive = isTrainerAlive(workDir); // asked first: a trainer that is gone by then has written all that it ever will
  const { events, place, isFromStart } = await readTrainerEvents(workDir, (cursor ?? beginning).place);
  const from = isFromStart || cursor === null ? beginning : cursor;
  const word = getLastStatus(events, from.word);
  const isLost = !isAlive && !isEnd(word) && word !== 'paused';
  const raw = isLost ? 'lost' : word;
  const failed = events.find((event) => event.type === 'training-failed');
  const startedAt = from.startedAt ?? events.find((event) => event.type === 'trainer-started')?.at ?? null;
  const logs = events.flatMap((event) => formatLog(event).map((text) => ({ at: event.at, text })));
  if (isLost && (!from.isLost || events.length > 0)) logs.push({ at: context.now().toISOString(), text: await explainCrash(workDir) });
  return {
    status: { phase: statusMap[raw], raw },
    progress: events.reduce<Progress | null>((progress, event) => getProgress(event) ?? progress, null),
    metrics: events.flatMap(getMetrics),
    logs,
    artifacts: findArtifacts(events, workDir),
    checkpoint: findCheckpoint(events, cursor === null ? workDir : null),
    notes: events.flatMap((event) => getNotes(event, workDir)),
    failure: failed === undefined ? null : getFailure(failed),
    startedAt,
    finishedAt: isEnd(word) ? (events.findLast((event) => getStatus(event) === word)?.at ?? null) : null,
    cursor: { place, word, isLost, startedAt },
    nextInMs: pollMs,
  };
}

/** The newest checkpoint in these events, or also in the run folder where one is given. */
function findCheckpoint(events: readonly TrainerEvent[], workDir: string | null): number | null {
  const written = events.flatMap((event) => (event.type === 'checkpoint-written' ? event.step : []));
  const steps = workDir === null ? written : [...written, ...listCheckpoints(join(workDir, 'checkpoints'))];
  return steps.length === 0 ? null : Math.max(...steps);
}

function getProgress(event: TrainerEvent): Progress | null {
  if (event.type !== 'step-finished') return null;
  const { step, steps, epoch, etaSeconds, rowsPerSecond, loss } = event;
  return { step, steps, epoch, etaSeconds, rowsPerSecond, loss };
}

function getMetrics(event: TrainerEvent): Metric[] {
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
    const loss: Metric = { ...of, name: 'loss', value: event.loss, source: 'loss' };
    const accuracy: Metric = { ...of, name: 'accuracy', value: event.accuracy, source: 'accuracy' };
    return Number.isFinite(event.loss) ? [loss, accuracy] : [accuracy]; // a training that is about to diverge
  }
  return [];
}

function formatLog(event: TrainerEvent): string[] {
  switch (event.type) {
    case 'trainer-started':
      return [`trainer started (backend ${event.backend}, process ${event.pid})`];
    case 'data-read':
      return [`${event.rows} training rows, ${event.validationRows} validation rows, ${event.truncated} cut; ${event.steps} steps`];
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
    case 'training-paused':
      return [`paused after step ${event.step}`];
    case 'training-resumed':
      return [event.step === 0 ? 'starts again from the beginning: there is no checkpoint' : `goes on after step ${event.step}`];
    case 'checkpoint-skipped':
      return [event.reason];
    case 'step-finished':
    case 'checkpoint-written':
      return [];
  }
}

function findArtifacts(events: readonly TrainerEvent[], workDir: string): Artifact[] {
  const written = events.find((event) => event.type === 'model-written' && event.folder === 'model');
  if (written?.type !== 'model-written') return [];
  const { model } = readTrainFile(workDir);
  const { sha256, folder } = written;
  const path = join(workDir, folder);
  const ref = { kind: 'folder', identity: sha256, path, labels: model.labels, seed: model.seed, maxLength: model.maxLength } as const;
  return [{ kind: 'folder', uri: pathToFileURL(path).href, sha256, model: ref }];
}

function getNotes(event: TrainerEvent, workDir: string): Note[] {
  const warn = (message: string): Note[] => [{ type: 'warning', message }];
  switch (event.type) {
    case 'data-read':
      return event.truncated === 0 ? [] : warn(`${event.truncated} rows were longer than the model reads and were cut`);
    case 'checkpoint-skipped':
      return warn(event.reason);
    case 'training-resumed':
      if (event.changed === null) return [];
      return warn(`the training goes on with other programs, which may change its last digits: ${event.changed}`);
    case 'model-written':
      if (event.folder === 'model') return [];
      return warn(`the weights of step ${event.step} are in ${join(workDir, event.folder)}; the training did not end`);
    default:
      return [];
  }
}

function getFailure({ code, message, hint }: Extract<TrainerEvent, { type: 'training-failed' }>): FailureData {
  const known = (code in failureKinds ? code : 'unexpected') as FailureCode;
  return toFailureData(new Failure(known, message, hint === null ? {} : { hint }));
}

async function explainCrash(workDir: string): Promise<string> {
  const tail = await readLogTail(workDir);
  return `the trainer is gone and did not say why${tail === '' ? '' : `; its last words:\n${tail}`}`;
}

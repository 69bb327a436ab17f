import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure, failureKinds, toFailureData, type FailureCode, type FailureData } from '../../src/errors.ts';
import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { Artifact, JobRef, Observation, Progress } from '../../src/provider/job.ts';
import type { TrainerEvent, TrainFile } from '../../src/trainer/protocol.ts';
import { eventsBegin, isTrainerAlive, listCheckpoints, readLogTail, readTrainerEvents, type EventPlace } from './run-folder.ts';
import { isEnd, toLastWord, statusMap, type LocalWord } from './status.ts';

export interface LocalCursor {
  readonly location: EventPlace;
  /** What the trainer's events made of it so far. */
  readonly word: LocalWord;
  /** Whether it was seen to be gone. */
  readonly isLost: boolean;
  /** When it started for the first time. */
  readonly startedAt: string | null;
}

const beginning: LocalCursor = { location: eventsBegin, word: 'starting', isLost: false, startedAt: null };

/** How often a training on this machine is worth a look. */
const lookMs = 200;

export async function observe(_job: JobRef, cursor: LocalCursor | null, context: Attempt): Promise<Observation<LocalCursor>> {
  context.signal.throwIfAborted();
  const living = isTrainerAlive(context.workDir);
  const { events, location, isFromStart } = await readTrainerEvents(context.workDir, (cursor ?? beginning).location);
  const from = isFromStart || cursor === null ? beginning : cursor;
  const spoken = toLastWord(events, from.word);
  // Asked before the events were read: a trainer that was gone by then has written all that it ever will.
  const isLost = !living && !isEnd(spoken) && spoken !== 'paused';
  const word = isLost ? 'lost' : spoken;
  const failed = events.find((event) => event.type === 'training-failed');
  const startedAt = from.startedAt ?? events.find((event) => event.type === 'trainer-started')?.at ?? null;
  const loss =
    isLost && (!from.isLost || events.length > 0) ? [{ at: context.now().toISOString(), text: await toCrashMessage(context.workDir) }] : [];
  return {
    status: { phase: statusMap[word], raw: word },
    progress: events.reduce<Progress | null>((progress, event) => toProgress(event) ?? progress, null),
    metrics: events.flatMap(toMetrics),
    logs: [...events.flatMap((event) => toLogText(event).map((text) => ({ at: event.at, text }))), ...loss],
    artifacts: await toArtifacts(events, context),
    checkpoint: await findCheckpoint(events, cursor === null ? context.workDir : null),
    notes: events.flatMap((event) => toNotes(event, context.workDir)),
    failure: failed === undefined ? null : toTrainerFailure(failed),
    startedAt,
    finishedAt: isEnd(spoken) ? (events.findLast((event) => toLastWord([event], 'starting') === spoken)?.at ?? null) : null,
    cursor: { location, word: spoken, isLost, startedAt },
    nextInMs: lookMs,
  };
}

/** The newest checkpoint that these events tell of, or that lies in the folder where one is given. */
async function findCheckpoint(events: readonly TrainerEvent[], folder: string | null): Promise<number | null> {
  const reported = events.flatMap((event) => (event.type === 'checkpoint-written' ? event.step : []));
  const steps = folder === null ? reported : [...reported, ...(await listCheckpoints(folder))];
  return steps.length === 0 ? null : Math.max(...steps);
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
    case 'training-paused':
      return [`paused after step ${event.step}`];
    case 'training-resumed':
      return [event.step === 0 ? 'starts again from the beginning: there is no checkpoint' : `goes on after step ${event.step}`];
    case 'checkpoint-written':
      return [];
    case 'checkpoint-skipped':
      return [event.reason];
  }
}

async function toArtifacts(events: readonly TrainerEvent[], context: Attempt): Promise<Artifact[]> {
  const written = events.filter((event) => event.type === 'model-written').find((event) => event.folder === 'model');
  if (written === undefined) return [];
  const { model } = JSON.parse(await readFile(join(context.workDir, 'train.json'), 'utf8')) as TrainFile;
  const path = join(context.workDir, written.folder);
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
  if (event.type === 'checkpoint-skipped') return [{ type: 'warning', message: event.reason }];
  if (event.type === 'training-resumed' && event.changed !== null) {
    return [{ type: 'warning', message: `the training goes on with other programs, which may change its last digits: ${event.changed}` }];
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

async function toCrashMessage(folder: string): Promise<string> {
  const tail = await readLogTail(folder);
  return `the trainer is gone without having said why${tail === '' ? '' : `; its last words:\n${tail}`}`;
}

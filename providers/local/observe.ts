import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Attempt } from '../../src/provider/context.ts';
import type { Artifact, JobRef, Observation } from '../../src/provider/job.ts';
import type { Phase } from '../../src/provider/status.ts';
import { foldEvents } from '../../src/provider-kit/trainer-events.ts';
import { listCheckpoints, readTrainFile, type TrainerEvent } from '../../src/trainer/protocol.ts';
import { eventsBegin, isTrainerAlive, readLogTail, readTrainerEvents, type EventPosition } from './run-folder.ts';

/** The trainer's status: derived from its events, `lost` from its lock. */
export const statusMap = {
  waiting: 'queued',
  starting: 'queued',
  training: 'running',
  saved: 'finalizing',
  paused: 'paused',
  stopped: 'paused',
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
      return event.isQueued === true ? 'waiting' : 'starting';
    case 'training-queued':
      return 'waiting';
    case 'data-read':
    case 'training-resumed':
    case 'step-finished':
    case 'epoch-evaluated':
      return 'training';
    case 'model-written':
      return event.folder === 'model' ? 'saved' : null;
    case 'training-paused':
      return 'paused';
    case 'training-stopped':
      return 'stopped';
    case 'training-finished':
      return 'finished';
    case 'training-cancelled':
      return 'cancelled';
    case 'training-failed':
      return 'failed';
    case 'rows-read':
    case 'training-ended-early':
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

/** It is stored: the names of its fields stay. */
export interface LocalCursor {
  readonly place: EventPosition;
  /** What the trainer's events made of it so far. */
  readonly word: LocalStatus;
  /** Whether the trainer was found gone. */
  readonly isLost: boolean;
  /** When it started for the first time; the time in the queue does not count. */
  readonly startedAt: string | null;
  /** The training that has to end before it starts. */
  readonly waitingFor?: string | null;
  /** What it does before its first step. */
  readonly doing?: string | null;
}

const beginning: LocalCursor = { place: eventsBegin, word: 'starting', isLost: false, startedAt: null };

/** Between two polls of a training on this machine. */
const pollMs = 200;

export async function observe(_job: JobRef, cursor: LocalCursor | null, context: Attempt): Promise<Observation<LocalCursor>> {
  context.signal.throwIfAborted();
  const { workDir } = context;
  const isAlive = isTrainerAlive(workDir); // asked first: a trainer that has ended by then writes nothing more
  const { events, position, isFromStart } = await readTrainerEvents(workDir, (cursor ?? beginning).place);
  const from = isFromStart || cursor === null ? beginning : cursor;
  const word = getLastStatus(events, from.word);
  const isLost = !isAlive && !isEnd(word) && word !== 'paused' && word !== 'stopped';
  const raw = isLost ? 'lost' : word;
  const startedAt = from.startedAt ?? findStart(events);
  const waitingFor =
    raw !== 'waiting' ? null : (events.findLast((event) => event.type === 'training-queued')?.behind ?? from.waitingFor ?? null);
  const doing = raw !== 'starting' && raw !== 'waiting' ? null : (findReading(events) ?? from.doing ?? null);
  const report = foldEvents(events, workDir);
  const crash =
    isLost && (!from.isLost || events.length > 0) ? [{ at: context.now().toISOString(), text: await explainCrash(workDir) }] : [];
  return {
    ...report,
    status: { phase: statusMap[raw], raw },
    logs: [...report.logs, ...crash],
    artifacts: findArtifacts(events, workDir),
    // A power cut may have taken the event of a checkpoint away.
    checkpoint: cursor === null ? findCheckpoint(workDir, report.checkpoint) : report.checkpoint,
    startedAt,
    finishedAt: isEnd(word) ? (events.findLast((event) => getStatus(event) === word)?.at ?? null) : null,
    waitingFor,
    doing,
    cursor: { place: position, word, isLost, startedAt, ...(waitingFor !== null && { waitingFor }), ...(doing !== null && { doing }) },
    nextInMs: pollMs,
  };
}

/** How far the reading of the rows is. */
function findReading(events: readonly TrainerEvent[]): string | null {
  const last = events.findLast((event) => event.type === 'rows-read');
  if (last === undefined) return null;
  const part = last.part === 'train' ? 'training' : 'validation';
  return `reading ${part} rows: ${Math.floor(100 * last.share)} %, ${last.rows.toLocaleString('en')} so far`;
}

/** One that had to wait has started when it has read its data. */
function findStart(events: readonly TrainerEvent[]): string | null {
  const start = events.find((event) => (event.type === 'trainer-started' ? event.isQueued !== true : event.type === 'data-read'));
  return start?.at ?? null;
}

/** The newest checkpoint, in the events or in the run folder. */
function findCheckpoint(workDir: string, reported: number | null): number | null {
  const [newest] = listCheckpoints(join(workDir, 'checkpoints'));
  return newest === undefined ? reported : Math.max(newest, reported ?? 0);
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

async function explainCrash(workDir: string): Promise<string> {
  const tail = await readLogTail(workDir);
  return `the trainer was killed or crashed${tail === '' ? '' : `; its last words:\n${tail}`}`;
}

/** When checkpoints of a training are written, and which one it goes on from. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isFailure, Failure, toFailureData, toFileFailure, toSystemCode } from '../errors.ts';
import {
  readCheckpointState,
  restoreCheckpoint,
  toCheckpointContents,
  type CheckpointIdentity,
  type CheckpointState,
  type CheckpointVersions,
} from './checkpoint-state.ts';
import type { Classifier } from './classifier.ts';
import type { EventFile } from './event-file.ts';
import type { TrainFile } from './files.ts';
import { findCheckpoint } from './find-checkpoint.ts';
import type { TrainingState } from './training-state.ts';
import { writeCheckpoint } from './write-checkpoint.ts';
import { hashFileSync } from '../lib/fs.ts';

/** Training that may be lost at most. */
const mostMs = 30_000;
/** Checkpoints that slow a training down by more than a tenth are written less often. */
const leastShare = 10;

export interface Checkpoints {
  /** Goes on from the newest whole checkpoint. @throws Failure `configuration-invalid` when it is of another training */
  resume(): void;
  /** Writes a checkpoint where it is time for one. */
  afterStep(isEpochEnd: boolean): void;
  /** Writes a checkpoint of the present step; returns the step of the newest one, 0 where there is none. */
  keep(): number;
  /** Milliseconds since the training began, interruptions left out. */
  toSpent(): number;
  /** The model is written: they are of no use any more. */
  remove(): void;
}

export interface CheckpointedTraining {
  readonly folder: string;
  readonly file: TrainFile;
  readonly classifier: Classifier;
  readonly state: TrainingState;
  readonly events: EventFile;
  /** When this process began, by `now`. */
  readonly began: number;
  /** Milliseconds on a clock that only goes forward. */
  now(): number;
}

export function openCheckpoints(training: CheckpointedTraining): Checkpoints {
  const { folder, file, classifier, state, events, now } = training;
  const place = join(folder, 'checkpoints');
  const { checkpointSteps, seed } = file.training;
  const identity = toIdentity(folder, file, classifier);
  const versions: CheckpointVersions = { backend: file.backend, tfjs: classifier.tf.version_core, node: process.version };
  let { began } = training;
  let newest = 0;
  let last = { at: now(), took: 0, problem: '' };

  const skip = (reason: string): void => {
    if (reason !== last.problem) events.tell({ type: 'checkpoint-skipped', reason });
    last = { ...last, problem: reason };
  };
  const read = (path: string, step: number): CheckpointState => {
    const told = events.past.step;
    if (step > told) throw new Failure('model-invalid', `${path}: events.jsonl ends at step ${told}: the steps between would stay untold`);
    const stored = readCheckpointState(path, step);
    checkIdentity(path, stored.identity, identity);
    restoreCheckpoint(path, { classifier, state, stored });
    return stored;
  };
  const keep = (): number => {
    if (newest === state.step) return newest;
    const start = now();
    events.flush(); // what is kept is also told
    try {
      writeCheckpoint(place, state.step, toCheckpointContents(classifier, state, { identity, versions, seed, spent: start - began }));
      newest = state.step;
      last = { at: now(), took: now() - start, problem: '' };
      events.tell({ type: 'checkpoint-written', step: newest, milliseconds: last.took });
    } catch (error) {
      const failure = toFileFailure(error, 'checkpoint', place);
      if (!isFailure(failure) && toSystemCode(error) === null) throw error;
      last = { ...last, at: now(), took: now() - start };
      skip(`the training goes on without a new checkpoint: ${toFailureData(failure).message}`);
    }
    return newest;
  };
  return {
    keep,
    resume() {
      const stored = findCheckpoint(place, { read, skip });
      newest = stored?.step ?? 0;
      began -= stored?.spent ?? 0;
      last = { ...last, at: now() };
      events.tell({ type: 'training-resumed', step: newest, changed: stored === null ? null : toChange(stored.versions, versions) });
    },
    afterStep(isEpochEnd) {
      const since = now() - last.at;
      const isTime = since >= leastShare * last.took && (isEpochEnd || since >= mostMs);
      if (checkpointSteps === null ? isTime : state.step % checkpointSteps === 0) keep();
    },
    toSpent: () => now() - began,
    remove: () => rmSync(place, { recursive: true, force: true }),
  };
}

function toIdentity(folder: string, { model, training, rows }: TrainFile, { revision }: Classifier): CheckpointIdentity {
  const { checkpointSteps: _, ...settings } = training;
  const { folder: _place, ...source } = model; // the same model may lie elsewhere
  const paths = rows.validation === null ? [rows.train] : [rows.train, rows.validation];
  return {
    model: toHash({ ...source, revision }),
    training: toHash(settings),
    rows: paths.map((path) => hashFileSync(resolve(folder, path), 'data file').sha256).join(),
  };
}

/** SHA-256 of plain fields, in whatever order they are. */
function toHash(fields: object): string {
  const text = JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('hex');
}

function checkIdentity(path: string, stored: CheckpointIdentity, present: CheckpointIdentity): void {
  const other = (['model', 'training', 'rows'] as const).filter((part) => stored[part] !== present[part]);
  if (other.length === 0) return;
  const names = { model: 'model', training: 'training settings', rows: 'rows' };
  throw new Failure(
    'configuration-invalid',
    `${path}: expected a checkpoint of this training, found one of another ${other.map((part) => names[part]).join(', another ')}`,
    { hint: 'Remove the folder "checkpoints" to train from the start, or put back what was changed.' },
  );
}

function toChange(before: CheckpointVersions, after: CheckpointVersions): string | null {
  const changes = (['backend', 'tfjs', 'node'] as const).filter((part) => before[part] !== after[part]);
  return changes.length === 0 ? null : changes.map((part) => `${part} ${before[part]} became ${after[part]}`).join(', ');
}

/** What a checkpoint holds of a training, when one is written, and which one a training goes on from. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { isFailure, Failure, toFailureData, toFileFailure, toSystemCode } from '../../errors.ts';
import { hashFileSync } from '../../lib/fs.ts';
import { parseFields, readJsonObject } from '../../lib/json.ts';
import { findCheckpoint, writeCheckpoint, type CheckpointContents } from './checkpoint-folder.ts';
import type { EventFile } from '../event-file.ts';
import { buildSafetensors, readSafetensorsIndex, readTensor, type TensorToWrite } from '../safetensors.ts';
import { EpochEvaluated, Kernels, type TrainFile } from '../protocol.ts';
import { getTrained, restoreWeights, type Network, type WeightsSnapshot } from '../engine/network.ts';
import type { TrainingState } from '../engine/train.ts';

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
  write(): number;
  /** Milliseconds since the training began, interruptions left out. */
  getSpent(): number;
  /** The model is written: they are of no use any more. */
  remove(): void;
}

/** What is trained; `revision` identifies the content of the folder that it was opened from. */
type CheckpointedNetwork = Pick<Network<never>, 'tf' | 'parameters' | 'isTrainable'> & { readonly revision: string };

export interface CheckpointedTraining {
  readonly folder: string;
  readonly file: TrainFile;
  /** Which kernels of our own compute; null: none. */
  readonly kernels: Kernels | null;
  /** The package that computes and its device, where it is not a part of this program. */
  readonly library?: string | undefined;
  readonly network: CheckpointedNetwork;
  readonly state: TrainingState;
  readonly events: EventFile;
  /** When this process began, by `now`. */
  readonly began: number;
  /** Milliseconds on a clock that only goes forward. */
  now(): number;
}

export function openCheckpoints(training: CheckpointedTraining): Checkpoints {
  const { file, network, state, events, now } = training;
  const folder = join(training.folder, 'checkpoints');
  const { checkpointSteps, seed } = file.training;
  const identity = hashIdentity(training.folder, file, network);
  const { kernels, library } = training;
  const { backend, threads = 1 } = file;
  const versions: Versions = { backend, kernels, library, threads, tfjs: network.tf.version_core, node: process.version };
  let { began } = training;
  let newest = 0;
  let last = { at: now(), took: 0, problem: '' };

  const skip = (reason: string): void => {
    if (reason !== last.problem) events.write({ type: 'checkpoint-skipped', reason });
    last = { ...last, problem: reason };
  };
  const read = (path: string, step: number): CheckpointState => {
    const known = events.past.step;
    if (step > known) throw new Failure('model-invalid', `${path}: events.jsonl ends at step ${known}: the steps between would be missing`);
    const stored = readState(path, step);
    checkIdentity(path, stored.identity, identity);
    restore(path, { network, state, stored });
    return stored;
  };
  const write = (): number => {
    if (newest === state.step) return newest;
    const start = now();
    events.flush(); // a checkpoint must not be ahead of the events
    try {
      writeCheckpoint(folder, state.step, buildContents(network, state, { identity, versions, seed, spent: start - began }));
      newest = state.step;
      last = { at: now(), took: now() - start, problem: '' };
      events.write({ type: 'checkpoint-written', step: newest, milliseconds: last.took });
    } catch (error) {
      const failure = toFileFailure(error, 'checkpoint', folder);
      if (!isFailure(failure) && toSystemCode(error) === null) throw error;
      last = { ...last, at: now(), took: now() - start };
      skip(`the training goes on without a new checkpoint: ${toFailureData(failure).message}`);
    }
    return newest;
  };
  return {
    write,
    resume() {
      const stored = findCheckpoint(folder, { read, skip });
      newest = stored?.step ?? 0;
      began -= stored?.spent ?? 0;
      last = { ...last, at: now() };
      events.write({ type: 'training-resumed', step: newest, changed: stored && formatChange(stored.versions, versions) });
    },
    afterStep(isEpochEnd) {
      const since = now() - last.at;
      const isTime = since >= leastShare * last.took && (isEpochEnd || since >= mostMs);
      if (checkpointSteps === null ? isTime : state.step % checkpointSteps === 0) write();
    },
    getSpent: () => now() - began,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Hashes of all that a result depends on: no training goes on with a checkpoint of another one. */
const Identity = z.object({ model: z.string(), training: z.string(), rows: z.string() });
type Identity = Readonly<z.infer<typeof Identity>>;

/** What computed: where one of these is another, the result may differ in its last bits. */
const Versions = z.object({
  backend: z.string(),
  kernels: Kernels.nullish(),
  library: z.string().optional(),
  threads: z.int().optional(),
  tfjs: z.string(),
  node: z.string(),
});
type Versions = Readonly<z.infer<typeof Versions>>;

/** state.json. */
const CheckpointState = z.object({
  step: z.int(),
  /** Updates of the optimizer; its bias corrections depend on them. */
  optimizerStep: z.int(),
  best: EpochEvaluated.nullable(),
  evaluations: z.array(EpochEvaluated),
  rows: z.int(),
  milliseconds: z.number(),
  identity: Identity,
  versions: Versions,
  seed: z.int(),
  /** Milliseconds since the training began, interruptions left out. */
  spent: z.number(),
});
type CheckpointState = Readonly<z.infer<typeof CheckpointState>>;

function hashIdentity(folder: string, { model, training, rows }: TrainFile, { revision }: CheckpointedNetwork): Identity {
  const { checkpointSteps: _, ...settings } = training;
  const { folder: _folder, ...source } = model; // the same model may be in another folder
  const paths = rows.validation === null ? [rows.train] : [rows.train, rows.validation];
  return {
    model: hashFields({ ...source, revision }),
    training: hashFields(settings),
    rows: paths.map((path) => hashFileSync(resolve(folder, path), 'data file').sha256).join(),
  };
}

/** SHA-256 of plain fields, in whatever order they are. */
function hashFields(fields: object): string {
  const text = JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('hex');
}

function checkIdentity(path: string, stored: Identity, present: Identity): void {
  const other = (['model', 'training', 'rows'] as const).filter((part) => stored[part] !== present[part]);
  if (other.length === 0) return;
  const names = { model: 'model', training: 'training settings', rows: 'rows' };
  throw new Failure(
    'configuration-invalid',
    `${path}: expected a checkpoint of this training, found one of another ${other.map((part) => names[part]).join(', another ')}`,
    { hint: 'Submit the job once more with --again: it trains from the start. This training has ended.' },
  );
}

function formatChange(before: Versions, after: Versions): string | null {
  const unsaid = { kernels: 'of tfjs', library: 'of tfjs', threads: '1' }; // in a checkpoint of before
  const toName = (versions: Versions, part: keyof Versions): string => String(versions[part] ?? unsaid[part as keyof typeof unsaid]);
  const changes = (['backend', 'kernels', 'library', 'threads', 'tfjs', 'node'] as const).filter(
    (part) => toName(before, part) !== toName(after, part),
  );
  return changes.length === 0 ? null : changes.map((part) => `${part} ${toName(before, part)} became ${toName(after, part)}`).join(', ');
}

/** The files of a checkpoint. Tensors have the layout of the computation, so that nothing is computed for them. */
function buildContents(
  network: CheckpointedNetwork,
  { step, optimizer, best, evaluations, rows, milliseconds }: TrainingState,
  origin: Pick<CheckpointState, 'identity' | 'versions' | 'seed' | 'spent'>,
): CheckpointContents {
  const counts = { step, optimizerStep: optimizer.step, best: best?.epoch ?? null, evaluations, rows, milliseconds };
  const json: CheckpointState = { ...counts, ...origin };
  const weights = [...getTrained(network)].map(([name, tensor]) => toFlatTensor(name, tensor.dataSync<'float32'>()));
  const moments = [...optimizer.readMoments()].flatMap(([name, { m, v }]) => [toFlatTensor(`${name}.m`, m), toFlatTensor(`${name}.v`, v)]);
  const bestWeights = [...(best?.weights ?? [])].map(([name, data]) => toFlatTensor(name, data));
  return {
    'weights.safetensors': buildSafetensors(weights),
    'moments.safetensors': buildSafetensors(moments),
    'state.json': [Buffer.from(`${JSON.stringify(json, null, 2)}\n`)],
    ...(best === null ? {} : { 'best.safetensors': buildSafetensors(bestWeights) }),
  };
}

function toFlatTensor(name: string, data: Float32Array): TensorToWrite {
  return { name, shape: [data.length], data };
}

/** state.json of a checkpoint that is whole. @throws Failure `model-invalid` or `file-missing` */
function readState(folder: string, step: number): CheckpointState {
  const source = join(folder, 'state.json');
  const state = parseFields(CheckpointState, readJsonObject(source, 'checkpoint state', 2 ** 24), { source, code: 'model-invalid' });
  if (state.step !== step) throw new Failure('model-invalid', `${source}: expected the state of step ${step}, found that of ${state.step}`);
  return state;
}

/**
 * Puts a checkpoint's weights into the network and its other numbers into `state`. Nothing is changed before all is read.
 *
 * @throws Failure `model-invalid` or `file-missing` when a tensor is missing or of another size
 */
function restore(
  folder: string,
  { network, state, stored }: { network: CheckpointedNetwork; state: TrainingState; stored: CheckpointState },
): void {
  const sizes = new Map([...getTrained(network)].map(([name, { size }]) => [name, size]));
  const read = (file: string, suffix = ''): WeightsSnapshot => readArrays(join(folder, file), sizes, suffix);
  const weights = read('weights.safetensors');
  const [m, v] = [read('moments.safetensors', '.m'), read('moments.safetensors', '.v')];
  const best = stored.best === null ? null : { weights: read('best.safetensors'), epoch: stored.best };

  restoreWeights(network, weights);
  state.step = stored.step;
  state.optimizer.step = stored.optimizerStep;
  state.optimizer.setMoments(new Map([...sizes.keys()].map((name) => [name, { m: m.get(name)!, v: v.get(name)! }])));
  state.best = best;
  state.evaluations.splice(0, Infinity, ...stored.evaluations);
  state.rows = stored.rows;
  state.milliseconds = stored.milliseconds;
}

function readArrays(path: string, sizes: ReadonlyMap<string, number>, suffix: string): WeightsSnapshot {
  const index = readSafetensorsIndex(path);
  return new Map(
    [...sizes].map(([name, size]) => {
      const data = readTensor(index, `${name}${suffix}`);
      if (data.length === size) return [name, data];
      throw new Failure('model-invalid', `${path}: tensor ${name}${suffix}: expected ${size} numbers, found ${data.length}`);
    }),
  );
}

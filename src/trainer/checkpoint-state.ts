/** What a checkpoint holds of a training, and the way back. */
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { readJsonObject } from '../model-files/read-json.ts';
import { readSafetensorsIndex, readTensor } from '../model-files/safetensors.ts';
import { toSafetensorsParts, type TensorToWrite } from '../model-files/write-safetensors.ts';
import type { Classifier } from './classifier.ts';
import type { BackendName, EpochEvaluated } from './files.ts';
import { restoreWeights, type WeightsSnapshot } from './weights-snapshot.ts';
import type { TrainingState } from './training-state.ts';
import type { CheckpointContents } from './write-checkpoint.ts';
import { isObject } from '../lib/json.ts';

/** Hashes of all that a result depends on: nobody goes on with a checkpoint of another training. */
export interface CheckpointIdentity {
  readonly model: string;
  readonly training: string;
  readonly rows: string;
}

/** What computed: where one of these is another, the result may differ in its last bits. */
export interface CheckpointVersions {
  readonly backend: BackendName;
  readonly tfjs: string;
  readonly node: string;
}

/** What is beside the numbers of the training: where it comes from. */
export interface CheckpointOrigin {
  readonly identity: CheckpointIdentity;
  readonly versions: CheckpointVersions;
  readonly seed: number;
  /** Milliseconds since the training began, interruptions left out. */
  readonly spent: number;
}

/** JSON has no NaN, which the loss of finite weights may still be. */
type StoredEvaluation = Omit<EpochEvaluated, 'loss'> & { readonly loss: number | null };

/** state.json. */
export interface CheckpointState extends CheckpointOrigin {
  readonly step: number;
  /** Updates of the optimizer; its bias corrections depend on them. */
  readonly optimizerStep: number;
  readonly best: StoredEvaluation | null;
  readonly evaluations: readonly StoredEvaluation[];
  readonly rows: number;
  readonly milliseconds: number;
}

const maxStateBytes = 2 ** 24;

/** The files of a checkpoint. Tensors lie as the computation has them, so that nothing is computed on the way. */
export function toCheckpointContents(classifier: Classifier, state: TrainingState, origin: CheckpointOrigin): CheckpointContents {
  const { step, optimizer, best, evaluations, rows, milliseconds } = state;
  const json: CheckpointState = {
    step,
    optimizerStep: optimizer.step,
    best: best?.epoch ?? null,
    evaluations,
    rows,
    milliseconds,
    ...origin,
  };
  const weights = [...classifier.parameters].map(([name, tensor]) => toTensor(name, tensor.dataSync<'float32'>()));
  const moments = [...optimizer.moments].flatMap(([name, { m, v }]) => [toTensor(`${name}.m`, m), toTensor(`${name}.v`, v)]);
  return {
    'weights.safetensors': toSafetensorsParts(weights),
    'moments.safetensors': toSafetensorsParts(moments),
    'state.json': [Buffer.from(`${JSON.stringify(json, null, 2)}\n`)],
    ...(best === null ? {} : { 'best.safetensors': toSafetensorsParts([...best.weights].map(([name, data]) => toTensor(name, data))) }),
  };
}

/**
 * state.json of a checkpoint whose files were held against its manifest.
 *
 * @throws Failure `model-invalid` or `file-missing`
 */
export function readCheckpointState(folder: string, step: number): CheckpointState {
  const path = join(folder, 'state.json');
  const json = readJsonObject(path, 'checkpoint state', maxStateBytes);
  const { identity, versions, evaluations } = json;
  const numbers = ['step', 'optimizerStep', 'rows', 'milliseconds', 'spent', 'seed'];
  const isWhole = numbers.every((name) => typeof json[name] === 'number') && Array.isArray(evaluations);
  if (!isWhole || json['step'] !== step || !isObject(identity) || !isObject(versions)) {
    throw new Failure('model-invalid', `${path}: expected the state of step ${step} with ${numbers.join(', ')}`);
  }
  return json as unknown as CheckpointState;
}

/**
 * Puts a checkpoint's weights into the classifier and its other numbers into `state`. Nothing is changed before all is read.
 *
 * @throws Failure `model-invalid` or `file-missing` when a tensor is missing or of another size
 */
export function restoreCheckpoint(
  folder: string,
  { classifier, state, stored }: { classifier: Classifier; state: TrainingState; stored: CheckpointState },
): void {
  const sizes = new Map([...classifier.parameters].map(([name, { size }]) => [name, size]));
  const read = (file: string, suffix = ''): WeightsSnapshot => readArrays(join(folder, file), sizes, suffix);
  const weights = read('weights.safetensors');
  const [m, v] = [read('moments.safetensors', '.m'), read('moments.safetensors', '.v')];
  const best = stored.best === null ? null : { weights: read('best.safetensors'), epoch: toEvaluation(stored.best) };

  restoreWeights(classifier, weights);
  state.step = stored.step;
  state.optimizer.step = stored.optimizerStep;
  for (const name of sizes.keys()) state.optimizer.moments.set(name, { m: m.get(name)!, v: v.get(name)! });
  state.best = best;
  state.evaluations.splice(0, Infinity, ...stored.evaluations.map(toEvaluation));
  state.rows = stored.rows;
  state.milliseconds = stored.milliseconds;
}

function toEvaluation(stored: StoredEvaluation): EpochEvaluated {
  return { ...stored, loss: stored.loss ?? Number.NaN };
}

function toTensor(name: string, data: Float32Array): TensorToWrite {
  return { name, shape: [data.length], data };
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

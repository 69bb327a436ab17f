/** A base model and an adapter as PEFT saves it become one model. It needs no engine: a matrix is read, changed and written at a time. */
import { Failure } from '../errors.ts';
import { getLowRank, getMagnitudeName, openAdapter, readClasses, readPeftFolder, toModule, type PeftParameters } from './adapters/index.ts';
import { findParameters, type ParameterSpec } from './engine/parameters.ts';
import { getFamily, getLowRankNames } from './families/index.ts';
import { readModelFolder, type ModelFolder } from './model-folder.ts';
import { readTensor } from './safetensors.ts';
import { formatMergeCard } from './model-card.ts';
import { writeModelFolder } from './save-model.ts';
import { getRules, listParameters } from './tasks/classification/head.ts';

export interface Merge {
  /** Absolute paths: the base model, the adapter, and where the result is written. */
  readonly base: string;
  readonly adapter: string;
  readonly target: string;
  /** Label names in the order of the classes; null: those of the base model where they fit, else LABEL_0 and so on. */
  readonly labels: readonly string[] | null;
  /** The base model as its users name it, for the card. */
  readonly name: string;
}

export interface MergedModel {
  readonly labels: readonly string[];
  /** Linear maps that were changed. */
  readonly maps: number;
  readonly sha256: string;
}

/**
 * Writes the merged model as transformers reads it, with the tokenizer of the base model.
 * @throws Failure `file-missing` or `model-invalid` for a folder that is broken or does not fit the other one, `usage` for other labels
 */
export function mergeAdapter({ base, adapter: folder, target, labels: given, name }: Merge): MergedModel {
  const model = readModelFolder(base);
  const { config, isMultiLabel } = model;
  const stored = readPeftFolder(folder);
  const classes = readClasses(folder, getFamily(config).head) ?? model.labels?.length;
  if (classes === undefined) throw new Failure('model-invalid', `neither the adapter nor its base model has a classifier: ${folder}`);
  const labels = chooseLabels(model, classes, given);
  const specs = listParameters(config, classes);
  const adapter = openAdapter(folder, stored, { config, specs });
  const readBase = openBase(model, classes);
  const scale = getLowRank(stored.settings).scale;
  const tensors = specs.map((spec) => {
    const weight = adapter.has(spec.name) ? adapter.read(spec.name) : readBase(spec.name);
    return { name: spec.name, shape: spec.shape, data: change(spec, weight, { adapter, scale, rank: stored.settings.rank }) };
  });
  const sha256 = writeModelFolder(target, { config, labels, isMultiLabel, tensors, card: formatMergeCard(name, labels), source: base });
  return { labels, maps: adapter.maps, sha256 };
}

/** @throws Failure `usage` */
function chooseLabels({ labels: own }: ModelFolder, classes: number, given: readonly string[] | null): readonly string[] {
  if (given === null) return own?.length === classes ? own : Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
  if (given.length === classes && new Set(given).size === classes) return given;
  throw new Failure('usage', `--labels: the adapter has ${classes} classes, found ${given.length} names: ${given.join(', ')}`, {
    hint: 'give each class its name, in the order of the training',
  });
}

/** @throws Failure `model-invalid` where neither the adapter nor the base model has a parameter */
function openBase({ config, weights, labels, folder }: ModelFolder, classes: number): (name: string) => Float32Array {
  const found = findParameters(weights, getRules(config, labels?.length === classes ? classes : null));
  return (name) => {
    const place = found.get(name);
    if (place !== undefined) return readTensor(place.index, place.stored);
    throw new Failure('model-invalid', `neither the adapter nor its base model has ${name}: ${folder}`, {
      hint: 'give the model that the adapter was trained on; transformers would draw new numbers for what is missing',
    });
  };
}

interface Matrices {
  readonly adapter: PeftParameters;
  readonly scale: number;
  readonly rank: number;
}

/** `W + scale * B A`, [outputs, inputs]; with magnitudes (DoRA, Liu et al. 2024) each row is brought to its own length. */
function change({ name, shape }: ParameterSpec, weight: Float32Array, { adapter, scale, rank }: Matrices): Float32Array {
  const names = getLowRankNames(toModule(name));
  if (!name.endsWith('.weight') || !adapter.has(names.a)) return weight;
  const [outputs, inputs] = shape as [number, number];
  const [a, b] = [adapter.read(names.a), adapter.read(names.b)]; // [rank, inputs], [outputs, rank]
  const lengths = getMagnitudeName(toModule(name));
  const magnitude = adapter.has(lengths) ? adapter.read(lengths) : null;
  const merged = new Float32Array(weight.length);
  const row = new Float64Array(inputs);
  for (let i = 0; i < outputs; i++) {
    row.set(weight.subarray(i * inputs, (i + 1) * inputs));
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[i * rank + k]!;
      for (let j = 0; j < inputs; j++) row[j]! += factor * a[k * inputs + j]!;
    }
    if (magnitude !== null) {
      const factor = magnitude[i]! / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      for (let j = 0; j < inputs; j++) row[j]! *= factor;
    }
    merged.set(row, i * inputs);
  }
  return merged;
}

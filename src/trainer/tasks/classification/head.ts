/** The last layer of a classifier: which parameters it has, where a folder has them, and what they are where the folder has none. */
import { toNormals, toStreamKey } from '../../../lib/random.ts';
import type { TensorFlow } from '../../backends/index.ts';
import { copyToStoredLayout, createParameter } from '../../engine/network.ts';
import type { ParameterRules, Parameters, ParameterSpec } from '../../engine/parameters.ts';
import { getFamily, type ModelConfig } from '../../families/index.ts';

/** Its weight and bias: a linear map from a text's features to `classes` logits. */
export function listHead(config: ModelConfig, classes: number): ParameterSpec[] {
  const { head } = getFamily(config);
  return [
    { name: `${head}.weight`, shape: [classes, config.hiddenSize], isLinear: true },
    { name: `${head}.bias`, shape: [classes], isLinear: false },
  ];
}

/** Every parameter of a classifier, in the order of transformers. */
export function listParameters(config: ModelConfig, classes: number): ParameterSpec[] {
  return [...getFamily(config).listParameters(config), ...listHead(config, classes)];
}

/** Where a folder's weights have the parameters: with a head of `classes` rows, or without a head, which is ignored then (null). */
export function getRules(config: ModelConfig, classes: number | null): ParameterRules {
  const { head, optional, toCanonicalName, isIgnored, ...family } = getFamily(config);
  if (classes !== null) return { specs: listParameters(config, classes), toCanonicalName, isIgnored, optional: [] };
  const isHead = (name: string): boolean => name.startsWith(`${head}.`);
  return { specs: family.listParameters(config), toCanonicalName, isIgnored: (name) => isIgnored(name) || isHead(name), optional };
}

/** Puts the rows of the folder's own head in the order of the labels: `classes` says which row each has. */
export function orderHead(
  tf: TensorFlow,
  parameters: Parameters,
  { head, classes }: { head: readonly ParameterSpec[]; classes: readonly number[] },
): void {
  for (const spec of head) {
    const stored = parameters.get(spec.name)!;
    const values = copyToStoredLayout(tf, stored, spec.isLinear);
    const width = values.length / classes.length;
    const ordered = classes.flatMap((row) => [...values.subarray(row * width, (row + 1) * width)]);
    stored.dispose();
    parameters.set(spec.name, createParameter(tf, spec, Float32Array.from(ordered)));
  }
}

/** Weights from N(0, deviation²), bias 0, norms 1, as transformers draws the head and a missing pooler (with numbers of our own). */
export function drawParameters(
  tf: TensorFlow,
  parameters: Parameters,
  { specs, seed, config }: { specs: readonly ParameterSpec[]; seed: number; config: ModelConfig },
): void {
  for (const spec of specs) {
    const size = spec.shape.reduce((product, count) => product * count, 1);
    const deviation = getFamily(config).getDeviation?.(config, spec.name) ?? config.initializerRange;
    const constant = spec.name.endsWith('norm.weight') ? 1 : 0;
    const values = spec.isLinear ? toNormals(toStreamKey(seed, spec.name), size, deviation) : new Float32Array(size).fill(constant);
    parameters.set(spec.name, createParameter(tf, spec, values));
  }
}

/**
 * Low-rank adapters (LoRA, Hu et al. 2021): a linear map `y = x w + b` whose weight stays as it is gets two small matrices beside it,
 * `y + scale * dropout(x) A B`. B begins at zero, so that a new adapter changes nothing.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { Failure } from '../../errors.ts';
import { toStreamKey, toUniform } from '../../lib/random.ts';
import type { TensorFlow } from '../backends/index.ts';
import { createParameter } from '../engine/network.ts';
import type { Parameters, ParameterSpec } from '../engine/parameters.ts';
import { getFamilyFiles, getLowRankNames, type LowRank, type NetworkConfig } from '../families/index.ts';
import type { LoraSettings } from '../protocol.ts';

/** A target that stands for every linear map. */
const everyLinear = 'all-linear';

/** What is multiplied with the matrices, as PEFT has it; the square root of the rank keeps updates of large ranks from fading (Kalajdzievski 2023). */
export function getLowRank({ rank, alpha, dropout, rankStabilized }: Omit<LoraSettings, 'targets'>): LowRank {
  return { scale: alpha / (rankStabilized ? Math.sqrt(rank) : rank), dropout };
}

/** The last parts of the names of the linear maps that get matrices where nothing else is asked for. */
export function getTargets(config: NetworkConfig, { targets }: Pick<LoraSettings, 'targets'>): readonly string[] {
  return targets ?? getFamilyFiles(config).loraTargets;
}

/**
 * The matrices of the linear maps that the targets name: by their whole name, or by the last parts of it. `trained` are modules that are
 * trained as a whole, and get none.
 *
 * @throws Failure `configuration-invalid` for a target that names no linear map
 */
export function listLowRank(config: NetworkConfig, settings: LoraSettings, trained: readonly string[]): ParameterSpec[] {
  const maps = getFamilyFiles(config)
    .listParameters(config)
    .filter(({ name, isLinear, isMap }) => (isLinear || isMap === true) && !trained.includes(toModule(name)));
  const targets = getTargets(config, settings);
  const isNamed = (target: string, module: string): boolean => target === everyLinear || module === target || module.endsWith(`.${target}`);
  for (const target of targets) {
    if (maps.some(({ name }) => isNamed(target, toModule(name)))) continue;
    const known = [...new Set(maps.map(({ name }) => toModule(name).split('.').at(-1)))].join(', ');
    throw new Failure('configuration-invalid', `expected targets of the adapter among ${known} or ${everyLinear}, found ${target}`, {
      hint: 'Set training.adapter.targets to names of linear maps of this model, or leave it out.',
    });
  }
  return maps
    .filter(({ name }) => targets.some((target) => isNamed(target, toModule(name))))
    .flatMap(({ name, shape, isMap }) => {
      const [outputs, inputs] = isMap === true ? shape.toReversed() : shape;
      const { a, b } = getLowRankNames(toModule(name));
      return [
        { name: a, shape: [settings.rank, inputs!], isLinear: true },
        { name: b, shape: [outputs!, settings.rank], isLinear: true },
      ];
    });
}

/** The module that a parameter is of. */
export function toModule(parameter: string): string {
  return parameter.replace(/\.(weight|bias)$/, '');
}

/** A from U(-1/√in, 1/√in), as PEFT draws it (with numbers of our own); B is zero. */
export function drawLowRank(
  tf: TensorFlow,
  parameters: Parameters,
  { specs, seed }: { specs: readonly ParameterSpec[]; seed: number },
): void {
  for (const spec of specs) {
    const [rows, columns] = spec.shape as [number, number];
    const [key, bound] = [toStreamKey(seed, spec.name), spec.name.endsWith('.lora_A.weight') ? 1 / Math.sqrt(columns) : 0];
    const values = Float32Array.from({ length: rows * columns }, (_, i) => bound * (2 * toUniform(key, i) - 1));
    parameters.set(spec.name, createParameter(tf, spec, values));
  }
}

/** A parameter with what the adapter adds to it, in the layout of the computation; the parameter itself where that is nothing. */
export function getMerged(
  { tf, parameters, lowRank }: { tf: TensorFlow; parameters: Parameters; lowRank?: LowRank | undefined },
  name: string,
): Tensor {
  const weight = parameters.get(name)!;
  const names = getLowRankNames(toModule(name));
  const [a, b] = [parameters.get(names.a), parameters.get(names.b)];
  return name.endsWith('.weight') && lowRank && a && b ? tf.add(weight, tf.mul(tf.matMul(a, b), lowRank.scale)) : weight;
}

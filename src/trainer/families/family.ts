import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout, Ops } from '../engine/ops.ts';
import type { Parameters, ParameterSpec } from '../engine/parameters.ts';

/** The sizes of a network, as its config.json gives them. A family may have more of its own. */
export interface NetworkConfig {
  /** Its family's `model_type`. */
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Attention heads. */
  readonly heads: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  /** Added to the variance, or to the mean square, in norms. */
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly padTokenId: number;
}

/** The sizes of an encoder, whose `heads` divide its `hiddenSize`. */
export interface ModelConfig extends NetworkConfig {
  /** Types of tokens that the model tells apart, such as those of the two texts of a pair; 0 where it knows none. */
  readonly typeVocabSize: number;
  /** Before the last layer of a head. */
  readonly classifierDropout: number;
  /** Standard deviation of weights that are drawn. */
  readonly initializerRange: number;
}

/** What a family computes with. */
export interface FamilyNetwork<Config extends NetworkConfig = ModelConfig> {
  readonly ops: Ops;
  readonly config: Config;
  readonly parameters: Parameters;
  /** Whether a parameter is trained. */
  isTrainable(name: string): boolean;
  /** How the matrices beside linear maps are used; absent: there are none. */
  readonly lowRank?: LowRank | undefined;
}

/** How a low-rank adapter changes a linear map: `y + scale * dropout(x) A B`. */
export interface LowRank {
  readonly scale: number;
  /** Share of the inputs of A that become zero in training. */
  readonly dropout: number;
}

/** The names of the two matrices beside a linear map. */
export function getLowRankNames(module: string): { readonly a: string; readonly b: string } {
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}

/** How the files of a family look, and where low-rank adapters belong in it. Importing one loads no engine. */
export interface FamilyFiles<Config extends NetworkConfig> {
  /** Checks the fields of a config.json; `path` is for messages. @throws Failure `model-invalid` naming the field */
  parseConfig(json: Readonly<Record<string, unknown>>, path: string): Config;
  /** config.json in transformers' names, without what the task adds. */
  buildConfigJson(config: Config): Record<string, unknown>;
  /** Every parameter but those of a classifier's last layer, in the order of transformers. */
  listParameters(config: Config): ParameterSpec[];
  /** How the names of the parameters begin but for those of a head. */
  readonly prefix: string;
  /** Last parts of the names of the linear maps that a low-rank adapter is for where nothing else is asked for: those of PEFT. */
  readonly loraTargets: readonly string[];
  /** What a stored name is called in `listParameters`. */
  toCanonicalName(stored: string): string;
  /** Whether a tensor of this canonical name has no meaning for the model. */
  isIgnored(name: string): boolean;
}

/** A family of encoders. */
export interface Family<Config extends ModelConfig = ModelConfig> extends FamilyFiles<Config> {
  /** The last layer of the head of a sequence classifier: a linear map of what `computeFeatures` gives. */
  readonly head: string;
  /** Parameters that a folder may lack, all of them together: they are drawn anew then, as transformers does. */
  readonly optional: readonly string[];
  /** Standard deviation of the numbers of a linear map that is drawn; absent: `initializerRange`. */
  getDeviation?(config: Config, name: string): number;
  /** Whether `computeFeatures` takes rows without padding: it finds positions by the engine's operations only, and never by S. */
  readonly takesCompact?: true;
  /** What the head's last layer reads of each text, [B, H]. `next` gives each place its dropout; null computes without. */
  computeFeatures(network: FamilyNetwork<Config>, batch: Batch, next: NextDropout | null): Tensor2D;
}

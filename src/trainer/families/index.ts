/** The list of model families. A further one is a file beside `bert.ts` and an entry here. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Batch } from '../engine/batches.ts';
import type { ParameterRules, Parameters, ParameterSpec } from '../engine/parameters.ts';
import type { NextDropout, Ops } from '../engine/ops.ts';
import { bert, type BertConfig } from './bert.ts';

/** The sizes of a model, as its config.json gives them. */
export type ModelConfig = BertConfig;

/** All that a family knows: how its files look and what it computes. Importing one loads no engine. */
export interface Family {
  /** Checks the fields of a config.json; `path` is for messages. @throws Failure `model-invalid` naming the field */
  parseConfig(json: Readonly<Record<string, unknown>>, path: string): ModelConfig;
  /** config.json in transformers' names. */
  buildConfigJson(config: ModelConfig): Record<string, unknown>;
  /** Every parameter with a classification head of `classes` rows, in the order of transformers. */
  listParameters(config: ModelConfig, classes: number): ParameterSpec[];
  /** Where a folder's weights have the parameters: with a head of `classes` rows, or without one (null). */
  getRules(config: ModelConfig, classes: number | null): ParameterRules;
  /** Logits of each text, [B, C]. `next` gives each place its dropout; null computes without. */
  computeLogits(
    network: { readonly ops: Ops; readonly config: ModelConfig; readonly parameters: Parameters },
    batch: Batch,
    next: NextDropout | null,
  ): Tensor2D;
}

/** By `model_type` of config.json. */
export const families: Readonly<Record<ModelConfig['family'], Family>> = { bert };

/**
 * What families of language models have in common: each token is predicted from those before it.
 *
 * B texts of S positions, M = B * S rows, H numbers a position, A heads of D numbers, of which keys and values may have fewer.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { CausalBatch } from '../engine/causal-batch.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { FamilyFiles, FamilyNetwork, NetworkConfig } from './family.ts';

/** The sizes of a language model. */
export interface CausalConfig extends NetworkConfig {
  /** Heads of keys and values: a divisor of `heads` (grouped-query attention, Ainslie et al. 2023). */
  readonly keyHeads: number;
  /** D: numbers a head. */
  readonly headSize: number;
  /** Whether tokens are predicted with the table that they are looked up in. */
  readonly isTied: boolean;
  readonly bosTokenId: number | null;
  /** The tokens that end an answer. */
  readonly eosTokenIds: readonly number[];
}

/** A family of language models. */
export interface CausalFamily<Config extends CausalConfig = CausalConfig> extends FamilyFiles<Config> {
  /** The table [V, H] whose products with what `computeStates` gives are the logits of the next token. */
  getOutput(config: Config): string;
  /** What is known after each position, [M, H]. `next` gives each place its dropout; null computes without. */
  computeStates(network: FamilyNetwork<Config>, batch: CausalBatch, next: NextDropout | null): Tensor2D;
}

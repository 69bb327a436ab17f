/** A language model: opened from a folder, and what it says of texts. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { addAdapter, type LowRankAdapter } from '../adapters/index.ts';
import type { TensorFlow } from '../backends/index.ts';
import type { TokenRow } from '../engine/batches.ts';
import { buildCausalBatch, type CausalBatch } from '../engine/causal-batch.ts';
import { readParameters, type Network, type Task } from '../engine/network.ts';
import { createOps, type NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import { getCausalFamily, type CausalConfig } from '../families/index.ts';
import { readLanguageFolder } from '../model-folder.ts';
import type { AdapterSettings, LanguageSource } from '../protocol.ts';

/** What computes a language model. */
export type LanguageNetwork<Row extends TokenRow> = Network<Row, CausalConfig>;

/** A language model with all that is needed to run, to train and to save it. */
export interface LanguageModel<Row extends TokenRow> extends LanguageNetwork<Row> {
  /** Rows are cut to so many tokens. */
  readonly maxLength: number;
  /** The parameters of the model itself, without those of an adapter. */
  readonly specs: readonly ParameterSpec[];
  readonly adapter: LowRankAdapter | null;
  /** Identifies the content of the folder that it was opened from. */
  readonly revision: string;
}

/**
 * Reads a model folder for a task. `adapter` says which parameters are to be trained; null: all.
 * @throws Failure `file-missing`, `model-invalid`, or `configuration-invalid` for a target of the adapter that the model does not have
 */
export function openLanguageModel<Row extends TokenRow>(
  tf: TensorFlow,
  source: LanguageSource,
  { task, adapter = null }: { readonly task: Task<Row, CausalConfig>; readonly adapter?: AdapterSettings | null },
): LanguageModel<Row> {
  const { config, weights, revision } = readLanguageFolder(source.folder);
  const { listParameters, toCanonicalName, isIgnored } = getCausalFamily(config);
  const specs = listParameters(config);
  const parameters = readParameters(tf, weights, { specs, toCanonicalName, isIgnored, optional: [] });
  const { seed, adapter: folder = null } = source;
  const trained = addAdapter(tf, { config, specs, parameters, drawn: [] }, { settings: adapter, folder, seed });
  for (const tensor of parameters.values()) tf.keep(tensor);
  const maxLength = Math.min(source.maxLength, config.maxPositions);
  return { tf, ops: createOps(tf), config, task, labels: [], specs, parameters, ...trained, maxLength, revision };
}

/** A token of a row, counted from 0: it is predicted from those before it. */
interface Place {
  readonly row: number;
  readonly token: number;
}

/**
 * Log-probabilities of tokens, each given those before it in its row, [N] in the order of `places`, none of which is the first of a row.
 * `next` gives each place its dropout; null computes without.
 */
export function computeLogProbabilities(
  network: Omit<LanguageNetwork<never>, 'task'>,
  rows: readonly Pick<TokenRow, 'ids'>[],
  { places, next }: { readonly places: readonly Place[]; readonly next: NextDropout | null },
): Tensor1D {
  const { tf, ops, config } = network;
  const batch = buildCausalBatch(tf, rows, { ...config, isCompact: ops.takesCompact });
  const states = computeStates(network, batch, next);
  const before = ops.pickRows(
    states,
    Int32Array.from(places, ({ row, token }) => batch.starts[row]! + token - 1),
  ); // [N, H]
  return ops.logProbabilities(
    before,
    getOutput(network),
    Int32Array.from(places, ({ row, token }) => rows[row]!.ids[token]!),
  );
}

/** What is known after each position, [M, H]. */
export function computeStates(network: Omit<LanguageNetwork<never>, 'task'>, batch: CausalBatch, next: NextDropout | null): Tensor2D {
  return getCausalFamily(network.config).computeStates(network, batch, next);
}

/** The table that tokens are predicted with, [V, H]. */
export function getOutput({ config, parameters, isTrainable }: Pick<LanguageNetwork<never>, 'config' | 'parameters' | 'isTrainable'>): {
  readonly values: Tensor2D;
  readonly isTrained: boolean;
} {
  const name = getCausalFamily(config).getOutput(config);
  return { values: parameters.get(name) as Tensor2D, isTrained: isTrainable(name) };
}

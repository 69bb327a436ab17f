/** Adapters as PEFT saves them: a folder with adapter_config.json, and the matrices with the modules that were trained as a whole. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../errors.ts';
import { flush } from '../../lib/fs.ts';
import { parseFields, readJsonObject } from '../../lib/json.ts';
import { formatValue } from '../../lib/text.ts';
import type { TensorFlow } from '../backends/index.ts';
import { copyToStoredLayout } from '../engine/network.ts';
import { findParameters, type Parameters, type ParameterSpec } from '../engine/parameters.ts';
import { getFamilyFiles, getHead, type NetworkConfig } from '../families/index.ts';
import type { LoraSettings } from '../protocol.ts';
import { readSafetensorsIndex, readTensor, writeSafetensors } from '../safetensors.ts';
import { getTargets, toModule } from './low-rank.ts';

const configName = 'adapter_config.json';
const weightsName = 'adapter_model.safetensors';
const prefix = 'base_model.model.';

const names = z.array(z.string('a name'), 'a list of names').min(1, 'at least one name');

/** The fields that the numbers depend on; what else PEFT writes must not change them (see `unused`). */
const ConfigJson = z.object({
  peft_type: z.literal('LORA', '"LORA"'),
  base_model_name_or_path: z.string('a name').nullish(),
  r: z.int('a positive whole number').min(1, 'a positive whole number'),
  lora_alpha: z.number('a number from 0').min(0, 'a number from 0'),
  lora_dropout: z.number('a number from 0 to 0.99').min(0, 'a number from 0 to 0.99').max(0.99, 'a number from 0 to 0.99').nullish(),
  /** A pattern of names, or "all-linear", where it is a text. */
  target_modules: z.union([z.string(), names], 'a list of names, or a text'),
  modules_to_save: names.nullish(),
  use_rslora: z.boolean('true or false').nullish(),
  use_dora: z.boolean('true or false').nullish(),
  bias: z.literal('none', '"none"').nullish(),
});

/** Kinds of adapters that compute something else where these are set. */
const unused = `use_qalora use_bdlora lora_bias layers_to_transform layers_pattern layer_replication exclude_modules rank_pattern
  alpha_pattern target_parameters trainable_token_indices alora_invocation_tokens arrow_config megatron_config velora_config monteclora_config kasa_config`;

/** An adapter's settings, and the modules that are saved with it: a module whose name ends so, with all that is in it. */
export interface PeftFolder {
  readonly settings: LoraSettings;
  readonly saved: readonly string[];
  /** The name of the model that it was trained on, or its folder on the machine where that was; null: unknown. */
  readonly base: string | null;
  /** Whether it has a vector of magnitudes beside each pair of matrices (DoRA): such an adapter can be merged only. */
  readonly hasMagnitudes: boolean;
}

/** Whether a parameter belongs to a module that is saved as a whole. */
export function isSaved({ saved }: Pick<PeftFolder, 'saved'>, parameter: string): boolean {
  const parts = toModule(parameter).split('.');
  return parts.some((_, i) =>
    saved.some((module) =>
      parts
        .slice(0, i + 1)
        .join('.')
        .endsWith(module),
    ),
  );
}

/** @throws Failure `file-missing`, or `model-invalid` for another kind of adapter */
export function readPeftFolder(folder: string): PeftFolder {
  const source = join(folder, configName);
  if (!existsSync(source)) {
    throw new Failure('file-missing', `the adapter has no ${configName}: ${folder}`, { hint: 'Give the folder that PEFT saved.' });
  }
  const json = readJsonObject(source, 'adapter configuration', 2 ** 20);
  for (const field of unused.split(/\s+/)) {
    const value = json[field];
    if (value == null || value === false || (typeof value === 'object' && Object.keys(value).length === 0)) continue;
    throw new Failure('model-invalid', `${source}: ${field}: expected none, found ${formatValue(value)}`, {
      hint: 'This kind of adapter is not supported: merge it into its model with PEFT (merge_and_unload) first.',
    });
  }
  const config = parseFields(ConfigJson, json, { source, code: 'model-invalid' });
  const settings: LoraSettings = {
    type: 'lora',
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout ?? 0,
    // The weights say what a pattern has matched: patterns of strangers are not run.
    targets: typeof config.target_modules === 'string' ? listAdapted(folder) : config.target_modules,
    rankStabilized: config.use_rslora ?? false,
  };
  return {
    settings,
    saved: config.modules_to_save ?? [],
    base: config.base_model_name_or_path ?? null,
    hasMagnitudes: config.use_dora ?? false,
  };
}

/** The linear maps that the stored weights have matrices for. @throws Failure of `readSafetensorsIndex`, or `model-invalid` where there are none */
function listAdapted(folder: string): string[] {
  const { path, entries } = readSafetensorsIndex(join(folder, weightsName));
  const found = [...entries.keys()].flatMap((stored) => /^(.*)\.lora_A\.weight$/.exec(toCanonicalName(stored))?.[1] ?? []);
  if (found.length > 0) return found;
  throw new Failure('model-invalid', `${path}: expected matrices of a low-rank adapter, found none`);
}

function toCanonicalName(stored: string): string {
  const name = stored.startsWith(prefix) ? stored.slice(prefix.length) : stored;
  return name.replace(/\.lora_magnitude_vector\.weight$/, '.lora_magnitude_vector'); // of PEFT before 0.12
}

/** How many classes the stored head has; null where the adapter has none. */
export function readClasses(folder: string, head: string): number | null {
  const { entries } = readSafetensorsIndex(join(folder, weightsName));
  return entries.get(`${prefix}${head}.weight`)?.shape[0] ?? null;
}

/** The parameters of an adapter in a folder. */
export interface PeftParameters {
  readonly specs: readonly ParameterSpec[];
  /** In the layout of the weight file. @throws Failure `model-invalid` */
  read(name: string): Float32Array;
  has(name: string): boolean;
}

/** Checks the names and the sizes of what is stored, and reads no numbers. @throws Failure `model-invalid` where one is missing, of another size, or not expected */
export function openPeftParameters(folder: string, specs: readonly ParameterSpec[]): PeftParameters {
  const index = readSafetensorsIndex(join(folder, weightsName));
  const found = findParameters([index], { specs, toCanonicalName, isIgnored: () => false, optional: [] });
  return { specs, read: (name) => readTensor(index, found.get(name)!.stored), has: (name) => found.has(name) };
}

/** What is saved. */
export interface AdapterToSave {
  readonly tf: TensorFlow;
  readonly config: NetworkConfig;
  readonly settings: LoraSettings;
  /** The matrices, and the parameters of modules that were trained as a whole. */
  readonly specs: readonly ParameterSpec[];
  readonly parameters: Parameters;
  /** The name of the base model, or its folder. */
  readonly base: string;
}

/** Fills a folder that is there, on the disk when this returns. */
export function writePeftFolder(folder: string, adapter: AdapterToSave): void {
  writeFileSync(join(folder, configName), `${JSON.stringify(buildConfigJson(adapter), null, 2)}\n`);
  const tensors = adapter.specs
    .map(({ name, shape, isLinear }) => {
      const data = copyToStoredLayout(adapter.tf, adapter.parameters.get(name)!, isLinear);
      return { name: `${prefix}${name}`, shape, data };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  writeSafetensors(join(folder, weightsName), tensors);
  for (const name of [configName, weightsName, '.']) flush(join(folder, name));
}

/** In PEFT's names, without the fields of other kinds of adapters, which it fills in. */
function buildConfigJson({ config, settings, specs, base }: AdapterToSave): Record<string, unknown> {
  const [{ prefix: encoder }, head] = [getFamilyFiles(config), getHead(config)];
  // PEFT takes a classifier of several layers as one module.
  const toSaved = (module: string): string => (module.startsWith(`${encoder}.`) ? module : module.split('.')[0]!);
  const saved = specs.map(({ name }) => toModule(name)).filter((module) => !/\.lora_[AB]$/.test(module));
  const isAll = settings.targets?.includes('all-linear') ?? false;
  const adapted = specs.flatMap(({ name }) => /^(.*)\.lora_A\.weight$/.exec(name)?.[1] ?? []);
  return {
    base_model_name_or_path: base,
    bias: 'none',
    fan_in_fan_out: getFamilyFiles(config)
      .listParameters(config)
      .some(({ isMap }) => isMap === true), // of weights that are stored as [in, out]
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: settings.alpha,
    lora_dropout: settings.dropout,
    modules_to_save: head === null ? null : [...new Set([head, ...saved].map(toSaved))],
    peft_type: 'LORA',
    r: settings.rank,
    target_modules: isAll ? adapted : getTargets(config, settings),
    task_type: head === null ? 'CAUSAL_LM' : 'SEQ_CLS',
    use_dora: false,
    use_rslora: settings.rankStabilized,
  };
}

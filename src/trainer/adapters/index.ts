/** Which parameters of a classifier are trained: all, those of the head, or low-rank matrices beside linear maps and the head. */
import { Failure } from '../../errors.ts';
import type { TensorFlow } from '../backends/index.ts';
import { createParameter } from '../engine/network.ts';
import type { Parameters, ParameterSpec } from '../engine/parameters.ts';
import { getFamilyFiles, getHead, type LowRank, type NetworkConfig } from '../families/index.ts';
import type { AdapterSettings, LoraSettings } from '../protocol.ts';
import { drawLowRank, getLowRank, listLowRank, toModule } from './low-rank.ts';
import { isSaved, openPeftParameters, readPeftFolder, type PeftFolder, type PeftParameters } from './peft-folder.ts';

export { getLowRank, getMerged, toModule } from './low-rank.ts';
export { readClasses, readPeftFolder, writePeftFolder, type PeftFolder, type PeftParameters } from './peft-folder.ts';

/** A low-rank adapter on a model. */
export interface LowRankAdapter {
  readonly settings: LoraSettings;
  /** The matrices, and the parameters of the modules that are trained as a whole: all that is saved of it. */
  readonly specs: readonly ParameterSpec[];
}

/** What is trained of a model that has been opened. */
export interface Trained {
  isTrainable(name: string): boolean;
  readonly lowRank: LowRank | undefined;
  readonly adapter: LowRankAdapter | null;
}

interface Model {
  readonly config: NetworkConfig;
  /** Every parameter of the model itself. */
  readonly specs: readonly ParameterSpec[];
  readonly parameters: Parameters;
  /** Names of those that were drawn anew. */
  readonly drawn: readonly string[];
}

/** Where an adapter comes from: settings for a new one, drawn from the seed, or a folder that PEFT saved. */
export interface AdapterSource {
  readonly settings: AdapterSettings | null;
  readonly folder: string | null;
  readonly seed: number;
}

/**
 * Puts an adapter on a model: its matrices are added to the parameters.
 *
 * @throws Failure `configuration-invalid` for a target that names no linear map; `file-missing` or `model-invalid` for a broken folder
 */
export function addAdapter(tf: TensorFlow, model: Model, source: AdapterSource): Trained {
  const stored = source.folder === null ? null : readPeftFolder(source.folder);
  const settings = stored?.settings ?? source.settings;
  if (settings === null) return { isTrainable: () => true, lowRank: undefined, adapter: null };
  const modules = listHeadModules(model);
  if (settings.type === 'head') return { isTrainable: (name) => modules.includes(toModule(name)), lowRank: undefined, adapter: null };

  const whole = model.specs.filter(({ name }) => (stored ? isSaved(stored, name) : modules.includes(toModule(name))));
  const matrices = listMatrices(model.config, settings, whole);
  const specs = [...matrices, ...whole];
  if (source.folder === null) drawLowRank(tf, model.parameters, { specs: matrices, seed: source.seed });
  else {
    if (stored?.hasMagnitudes === true) throw refuseMagnitudes(source.folder);
    const opened = openPeftParameters(source.folder, specs);
    for (const spec of specs) {
      model.parameters.get(spec.name)?.dispose();
      model.parameters.set(spec.name, createParameter(tf, spec, opened.read(spec.name)));
    }
  }
  const trained = new Set(specs.map(({ name }) => name));
  return { isTrainable: (name) => trained.has(name), lowRank: getLowRank(settings), adapter: { settings, specs } };
}

function listMatrices(config: NetworkConfig, settings: LoraSettings, whole: readonly ParameterSpec[]): ParameterSpec[] {
  return listLowRank(config, settings, [...new Set(whole.map(({ name }) => toModule(name)))]);
}

function refuseMagnitudes(folder: string): Failure {
  return new Failure(
    'model-invalid',
    `the adapter has magnitudes (use_dora), which can be merged, but not be computed beside a model: ${folder}`,
    {
      hint: '`orchestrate merge` makes one model of it and its base',
    },
  );
}

/**
 * The parameters of an adapter in a folder, for a model of these.
 * @throws Failure `model-invalid` or `configuration-invalid` where they do not fit the model
 */
export function openAdapter(
  folder: string,
  stored: PeftFolder,
  { config, specs: all }: Pick<Model, 'config' | 'specs'>,
): PeftParameters & { readonly maps: number } {
  const whole = all.filter(({ name }) => isSaved(stored, name));
  const matrices = listMatrices(config, stored.settings, whole);
  const magnitudes = stored.hasMagnitudes ? matrices.filter(({ name }) => name.endsWith('.lora_B.weight')).map(toMagnitude) : [];
  return { ...openPeftParameters(folder, [...matrices, ...whole, ...magnitudes]), maps: matrices.length / 2 };
}

function toMagnitude({ name, shape: [outputs] }: ParameterSpec): ParameterSpec {
  return { name: getMagnitudeName(name.replace(/\.lora_B\.weight$/, '')), shape: [outputs!], isLinear: false };
}

/** The name of the lengths of a linear map's rows. */
export function getMagnitudeName(module: string): string {
  return `${module}.lora_magnitude_vector`;
}

/**
 * Whether the model of these sizes has the linear maps that an adapter is for; sizes of an older version are not looked at.
 * @throws Failure `configuration-invalid` naming the target
 */
export function checkTargets(sizes: Readonly<Record<string, unknown>>, settings: LoraSettings): void {
  if (typeof sizes['family'] === 'string') listLowRank(sizes as unknown as NetworkConfig, settings, []);
}

/** How many numbers are trained of a model with these parameters, none of which was drawn anew. */
export function countTrained(config: NetworkConfig, settings: AdapterSettings, specs: readonly ParameterSpec[]): number {
  const modules = listHeadModules({ config, specs, drawn: [] });
  const whole = specs.filter(({ name }) => modules.includes(toModule(name)));
  const matrices = settings.type === 'lora' ? listMatrices(config, settings, whole) : [];
  return [...whole, ...matrices].reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** The modules that belong to a classifier only, which a language model has none of, and those that were drawn anew: they know nothing yet. */
function listHeadModules({ config, specs, drawn }: Omit<Model, 'parameters'>): string[] {
  const head = getHead(config);
  if (head === null) return [];
  const { prefix } = getFamilyFiles(config);
  const own = specs.filter(({ name }) => !name.startsWith(`${prefix}.`) || drawn.includes(name));
  return [...new Set([head, ...own.map(({ name }) => toModule(name))])];
}

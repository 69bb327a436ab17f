/** Which parameters of a classifier are trained: all, those of the head, or low-rank matrices beside linear maps and the head. */
import type { TensorFlow } from '../backends/index.ts';
import type { Parameters, ParameterSpec } from '../engine/parameters.ts';
import { getFamily, type LowRank, type ModelConfig } from '../families/index.ts';
import type { AdapterSettings, LoraSettings } from '../protocol.ts';
import { drawLowRank, getLowRank, listLowRank, toModule } from './low-rank.ts';
import { isSaved, readPeftFolder, readPeftParameters } from './peft-folder.ts';

export { getMerged } from './low-rank.ts';
export { writePeftFolder } from './peft-folder.ts';

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
  readonly config: ModelConfig;
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

  const isWhole = ({ name }: ParameterSpec): boolean => (stored ? isSaved(stored, name) : modules.includes(toModule(name)));
  const whole = model.specs.filter(isWhole);
  const matrices = listLowRank(model.config, settings, [...new Set(whole.map(({ name }) => toModule(name)))]);
  const specs = [...matrices, ...whole];
  if (source.folder === null) drawLowRank(tf, model.parameters, { specs: matrices, seed: source.seed });
  else {
    for (const [name, tensor] of readPeftParameters(tf, source.folder, specs)) {
      model.parameters.get(name)?.dispose();
      model.parameters.set(name, tensor);
    }
  }
  const trained = new Set(specs.map(({ name }) => name));
  return { isTrainable: (name) => trained.has(name), lowRank: getLowRank(settings), adapter: { settings, specs } };
}

/**
 * Whether the model of these sizes has the linear maps that an adapter is for; sizes of an older version are not looked at.
 * @throws Failure `configuration-invalid` naming the target
 */
export function checkTargets(sizes: Readonly<Record<string, unknown>>, settings: LoraSettings): void {
  if (typeof sizes['family'] === 'string') listLowRank(sizes as unknown as ModelConfig, settings, []);
}

/** The modules that belong to a classifier only, and those that were drawn anew: they know nothing yet. */
function listHeadModules({ config, specs, drawn }: Model): string[] {
  const { head, prefix } = getFamily(config);
  const own = specs.filter(({ name }) => !name.startsWith(`${prefix}.`) || drawn.includes(name));
  return [...new Set([head, ...own.map(({ name }) => toModule(name))])];
}

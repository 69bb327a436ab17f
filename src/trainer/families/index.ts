/** The list of model families. A further one is a file beside `bert.ts` and an entry here. */
import { bert } from './bert.ts';
import type { CausalConfig, CausalFamily } from './causal.ts';
import { distilbert } from './distilbert.ts';
import { electra } from './electra.ts';
import type { Family, FamilyFiles, ModelConfig, NetworkConfig } from './family.ts';
import { gpt2 } from './gpt2.ts';
import { llama, qwen2, qwen3 } from './llama.ts';
import { modernbert } from './modernbert.ts';
import { camembert, roberta, xlmRoberta } from './roberta.ts';

export type { CausalConfig, CausalFamily } from './causal.ts';
export { computeLinear } from './encoder.ts';
export { getLowRankNames, type Family, type LowRank, type ModelConfig, type NetworkConfig } from './family.ts';

/** Families of encoders, by `model_type` of config.json. */
export const families: Readonly<Record<string, Family>> = {
  bert,
  distilbert,
  roberta,
  'xlm-roberta': xlmRoberta,
  camembert,
  electra,
  modernbert,
};

/** The family of this `model_type`; null where there is none. */
export function findFamily(name: string): Family | null {
  return Object.hasOwn(families, name) ? families[name]! : null;
}

/** The family of a configuration that one of them has read. */
export function getFamily({ family }: Pick<ModelConfig, 'family'>): Family {
  const found = findFamily(family);
  if (!found) throw new Error(`no family ${family}`);
  return found;
}

/** Families of language models, by `model_type` of config.json. */
export const causalFamilies: Readonly<Record<string, CausalFamily>> = { llama, qwen2, qwen3, gpt2 };

/** The family of this `model_type`; null where there is none. */
export function findCausalFamily(name: string): CausalFamily | null {
  return Object.hasOwn(causalFamilies, name) ? causalFamilies[name]! : null;
}

/** The family of a language model's configuration that one of them has read. */
export function getCausalFamily({ family }: Pick<CausalConfig, 'family'>): CausalFamily {
  const found = findCausalFamily(family);
  if (!found) throw new Error(`no family of language models ${family}`);
  return found;
}

/** The files of a family of either kind. */
export function getFamilyFiles({ family }: Pick<NetworkConfig, 'family'>): FamilyFiles<NetworkConfig> {
  return findCausalFamily(family) ?? getFamily({ family });
}

/** The last layer of a classifier of this family; null for a language model, which has none. */
export function getHead({ family }: Pick<NetworkConfig, 'family'>): string | null {
  return findFamily(family)?.head ?? null;
}

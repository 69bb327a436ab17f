/** The list of model families. A further one is a file beside `bert.ts` and an entry here. */
import { bert } from './bert.ts';
import { distilbert } from './distilbert.ts';
import { electra } from './electra.ts';
import type { Family, ModelConfig } from './family.ts';
import { modernbert } from './modernbert.ts';
import { camembert, roberta, xlmRoberta } from './roberta.ts';

export { computeLinear } from './encoder.ts';
export { getLowRankNames, type Family, type LowRank, type ModelConfig } from './family.ts';

/** By `model_type` of config.json. */
export const families = {
  bert,
  distilbert,
  roberta,
  'xlm-roberta': xlmRoberta,
  camembert,
  electra,
  modernbert,
} as const satisfies Readonly<Record<string, Family>>;

/** The family of this `model_type`; null where there is none. */
export function findFamily(name: string): Family | null {
  return Object.hasOwn(families, name) ? families[name as keyof typeof families] : null;
}

/** The family of a configuration that one of them has read. */
export function getFamily({ family }: Pick<ModelConfig, 'family'>): Family {
  const found = findFamily(family);
  if (!found) throw new Error(`no family ${family}`);
  return found;
}

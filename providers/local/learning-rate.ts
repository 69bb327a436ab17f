/** The learning rate where the job names none. */
import type { AdapterSettings } from '../../src/trainer/protocol.ts';

interface RateLimits {
  /** Numbers that the model is made of; absent where nobody has counted them. */
  readonly parameters?: number | undefined;
  /** What is trained. */
  readonly adapter: 'full' | AdapterSettings['type'];
}

/** A head alone takes large steps, and small matrices larger ones than the weights beside them; not fitted, tried on the sample model. */
const headRate = 1e-2;
const loraFactor = 3;

/**
 * The default learning rate: a small model needs a higher one. `bench/learning-rates.ts` has fitted the
 * rule, docs/performance.md shows how well it does. One digit is as much as is known.
 */
export function getLearningRate({ parameters, adapter }: RateLimits): number {
  if (adapter === 'head') return headRate;
  const rate = getFullRate(parameters ?? Infinity);
  return adapter === 'lora' ? Number((loraFactor * rate).toPrecision(1)) : rate;
}

function getFullRate(parameters: number): number {
  if (parameters > mostTried) return transformersRate;
  return Number(Math.min(mostRate, rateOfMillion * (1e6 / parameters) ** 0.4).toPrecision(1));
}

/** The parameters of the largest model that the rule was fitted on. Above that it is the default of transformers, which fits BERT-base. */
const mostTried = 25e6;
const transformersRate = 5e-5;
const rateOfMillion = 1e-3;
/** A smaller model than the smallest one that was tried gets the rate of that. */
const mostRate = 1e-3;

/** `for a model of 0.95 M parameters`: why the default is what it is. */
export function explainLearningRate({ parameters, adapter }: RateLimits): string | undefined {
  if (adapter === 'head') return 'for a head that is trained alone';
  return parameters === undefined ? undefined : `for a model of ${(parameters / 1e6).toPrecision(2)} M parameters`;
}

/** The choice of the next token. */
import { toStreamKey, toUniform } from '../../lib/random.ts';

/** How tokens are chosen. */
export interface Sampling {
  /** Logits are divided by it; 0: always the most probable token. */
  readonly temperature: number;
  /** Only the most probable tokens that together have this probability (Holtzman et al. 2020); 1: all. */
  readonly topP: number;
  /** Only so many of the most probable tokens; null: all. */
  readonly topK: number | null;
  readonly seed: number;
}

export interface Choice {
  readonly id: number;
  /** The natural logarithm of its probability, of the model as it is: before temperature and other limits. */
  readonly logProbability: number;
}

/** One token of those that are allowed; `place` counts the tokens of the answer from 0. @throws Error where none is allowed */
export function chooseToken(
  logits: Float32Array,
  { temperature, topP, topK, seed }: Sampling,
  { place, isAllowed }: { readonly place: number; readonly isAllowed: ((id: number) => boolean) | null },
): Choice {
  const logSum = toLogSum(logits);
  const toChoice = (id: number): Choice => ({ id, logProbability: logits[id]! - logSum });
  if (temperature === 0 || topK === 1) return toChoice(findLargest(logits, isAllowed));
  const candidates = listCandidates(logits, { count: topK ?? Infinity, isAllowed });
  const most = logits[candidates[0]!]!;
  const weights = candidates.map((id) => Math.exp((logits[id]! - most) / temperature));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  let end = 0;
  let kept = 0;
  do kept += weights[end++]!;
  while (end < weights.length && kept < topP * all);
  let left = toUniform(toStreamKey(seed, 'token'), place) * kept;
  let i = 0;
  while (i < end - 1 && left >= weights[i]!) left -= weights[i++]!;
  return toChoice(candidates[i]!);
}

/** The most probable tokens, in order. */
export function listMostProbable(logits: Float32Array, count: number): Choice[] {
  const logSum = toLogSum(logits);
  return listCandidates(logits, { count, isAllowed: null }).map((id) => ({ id, logProbability: logits[id]! - logSum }));
}

function findLargest(logits: Float32Array, isAllowed: ((id: number) => boolean) | null): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (best >= 0 && logits[id]! <= logits[best]!) continue;
    if (isAllowed === null || isAllowed(id)) best = id;
  }
  if (best < 0) throw new Error('expected at least one token that is allowed, found none');
  return best;
}

/** Far below the most probable token nothing is ever drawn: e^-40 is less than a draw of 32 bits can tell. */
const furthest = 40;

function listCandidates(
  logits: Float32Array,
  { count, isAllowed }: { readonly count: number; readonly isAllowed: ((id: number) => boolean) | null },
): number[] {
  const most = logits[findLargest(logits, isAllowed)]!;
  const near: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! >= most - furthest && (isAllowed === null || isAllowed(id))) near.push(id);
  }
  return near.sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, count);
}

/** `log Σ exp(x)`, computed from the largest so that nothing overflows. */
function toLogSum(logits: Float32Array): number {
  let most = -Infinity;
  for (const logit of logits) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most + Math.log(sum);
}

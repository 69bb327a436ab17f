/** How many rows of a language model's batch are computed at once. */
import type { CausalConfig } from '../../src/trainer/model-folder.ts';
import type { LocalRequest } from './translate.ts';

/** A quarter of what WebAssembly can have: the model, the gradients and what the sums below leave out need room too. */
const mostBytes = 2 ** 30;
/** A token of a longest text has more characters than this, in scripts with spaces. */
const charactersPerToken = 2;

/**
 * All rows, or so few that what is kept of them for the gradients is small: by the numbers that the parts of a layer keep of each token, and the
 * shares of attention of each pair of tokens. It is arithmetic over shapes and not fitted; fewer rows give the same gradient.
 */
export function chooseLanguageMicroBatch({ model, training, task }: LocalRequest, longestCharacters: number): number {
  const { batchSize } = training;
  if (model.config === undefined) return batchSize;
  const { hiddenSize, keyHeads, headSize, intermediateSize, layers, heads } = model.config as unknown as CausalConfig;
  const tokens = Math.min(model.maxLength, Math.ceil(longestCharacters / charactersPerToken) + 1);
  const ofToken = layers * (9 * hiddenSize + 4 * keyHeads * headSize + 3 * intermediateSize + heads * tokens);
  const texts = task === 'preference' ? 2 : 1; // a row has two of them
  const rows = Math.max(1, Math.floor(mostBytes / (4 * texts * tokens * ofToken)));
  return Math.ceil(batchSize / Math.ceil(batchSize / Math.min(rows, batchSize)));
}

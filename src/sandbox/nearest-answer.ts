import type { Predictor } from './predictor.ts';
import { toLastUserText, type Example } from './training-file.ts';
import { toWords } from './split-words.ts';

/** Answers with what was taught for the most similar prompt: the largest share of common words (Jaccard). */
export function createNearest(examples: readonly Example[]): Predictor {
  const taught = examples.map(({ prompt, answer }) => ({ words: new Set(toWords(prompt)), answer }));
  return (messages) => {
    const words = new Set(toWords(toLastUserText(messages)));
    let best = { similarity: -1, answer: taught[0]!.answer };
    for (const { words: others, answer } of taught) {
      const common = [...words].filter((word) => others.has(word)).length;
      const similarity = common / Math.max(1, words.size + others.size - common);
      if (similarity > best.similarity) best = { similarity, answer };
    }
    return [{ answer: best.answer, probability: 1 }];
  };
}

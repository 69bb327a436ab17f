import type { Predictor } from './predictor.ts';
import { toLastUserText, type Example } from './training-file.ts';
import { toWords } from './split-words.ts';

interface LabelCounts {
  readonly words: Map<string, number>;
  examples: number;
  total: number;
}

/**
 * A multinomial naive Bayes classifier with add-one smoothing (Manning, Raghavan and Schütze, "Introduction to Information Retrieval",
 * section 13.2) over words and pairs of neighbouring words: P(label | text) ∝ P(label) · ∏ P(word | label).
 */
export function createBagOfWords(examples: readonly Example[]): Predictor {
  const labels = new Map<string, LabelCounts>();
  const vocabulary = new Set<string>();
  for (const { prompt, answer } of examples) {
    const label = answer.content ?? '';
    const counts = labels.get(label) ?? { words: new Map<string, number>(), examples: 0, total: 0 };
    labels.set(label, counts);
    counts.examples++;
    for (const word of toFeatures(prompt)) {
      vocabulary.add(word);
      counts.total++;
      counts.words.set(word, (counts.words.get(word) ?? 0) + 1);
    }
  }
  const score = ({ words, examples: count, total }: LabelCounts, features: readonly string[]): number =>
    features
      .filter((word) => vocabulary.has(word))
      .reduce((sum, word) => sum + Math.log(((words.get(word) ?? 0) + 1) / (total + vocabulary.size)), Math.log(count / examples.length));
  return (messages) => {
    const features = toFeatures(toLastUserText(messages));
    const scores = [...labels].map(([label, counts]) => ({ label, score: score(counts, features) }));
    const highest = Math.max(...scores.map((one) => one.score));
    const sum = scores.reduce((total, one) => total + Math.exp(one.score - highest), 0);
    return scores.map((one) => ({ answer: { content: one.label }, probability: Math.exp(one.score - highest) / sum }));
  };
}

function toFeatures(text: string): string[] {
  const words = toWords(text);
  return [...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)];
}

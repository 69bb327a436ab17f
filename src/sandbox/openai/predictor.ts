import { toStreamKey, toUniform } from '../../lib/random.ts';
import { findLastUserText, getText, type AnswerMessage, type Example, type Message } from './training-file.ts';

/** What a model could say, and how probable it finds it. */
export interface Choice {
  readonly answer: AnswerMessage;
  readonly probability: number;
}

/** The most probable answer first; the probabilities sum to 1. */
export type Predictor = (messages: readonly Message[]) => readonly Choice[];

interface AnswerCounts {
  readonly answer: AnswerMessage;
  readonly words: Map<string, number>;
  examples: number;
  total: number;
}

const mostChoices = 50;

/**
 * Learns from examples, with a multinomial naive Bayes classifier with add-one smoothing (Manning, Raghavan and Schütze, "Introduction to
 * Information Retrieval", section 13.2) over words and pairs of neighbouring words: P(answer | text) ∝ P(answer) · ∏ P(word | answer).
 */
export function createPredictor(examples: readonly Example[]): Predictor {
  const answers = new Map<string, AnswerCounts>();
  const vocabulary = new Set<string>();
  for (const { prompt, answer } of examples) {
    const key = JSON.stringify(answer);
    const counts = answers.get(key) ?? { answer, words: new Map<string, number>(), examples: 0, total: 0 };
    answers.set(key, counts);
    counts.examples++;
    for (const word of listFeatures(prompt)) {
      vocabulary.add(word);
      counts.total++;
      counts.words.set(word, (counts.words.get(word) ?? 0) + 1);
    }
  }
  return (messages) => {
    const known = listFeatures(findLastUserText(messages)).filter((word) => vocabulary.has(word));
    const scored = [...answers.values()].map(({ answer, words, examples: count, total }) => {
      const logs = known.map((word) => Math.log(((words.get(word) ?? 0) + 1) / (total + vocabulary.size)));
      return { answer, score: logs.reduce((sum, log) => sum + log, Math.log(count / examples.length)) };
    });
    const best = scored.sort((a, b) => b.score - a.score).slice(0, mostChoices);
    return normalize(best.map(({ answer, score }) => ({ answer, probability: Math.exp(score - best[0]!.score) })));
  };
}

function listFeatures(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  return [...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)];
}

function normalize(choices: readonly Choice[]): readonly Choice[] {
  const sum = choices.reduce((total, { probability }) => total + probability, 0);
  return choices
    .map(({ answer, probability }) => ({ answer, probability: probability / sum }))
    .sort((a, b) => b.probability - a.probability);
}

/**
 * What a model says that was taught nothing: one of the JSON strings in its instructions, by a hash of the text and of each string, or
 * else always the same sentence.
 */
export const guess: Predictor = (messages) => {
  const instructions = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => getText(content));
  const quoted = instructions.flatMap((text) => text.match(/"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])+"/g) ?? []);
  const labels = new Set(quoted.map((text) => JSON.parse(text) as string));
  if (labels.size === 0) return [{ answer: { content: 'I have not learned this.' }, probability: 1 }];
  const text = findLastUserText(messages);
  return normalize(
    [...labels].map((content) => ({ answer: { content }, probability: Math.exp(toUniform(toStreamKey(text, 'guess', content), 0)) })),
  );
};

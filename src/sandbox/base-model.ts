import { toStreamKey, toUniform } from '../lib/random.ts';
import type { Choice } from './predictor.ts';
import { toLastUserText, toText, type Message } from './training-file.ts';

const sentence = 'I have not learned this.';

/**
 * What a model says that knows nothing: one of the JSON strings in its instructions, by a hash of the text and of each string, or
 * else always the same sentence.
 */
export function guess(messages: readonly Message[]): readonly Choice[] {
  const instructions = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => toText(content));
  const labels = [...new Set(toJsonStrings(instructions.join('\n')))];
  if (labels.length === 0) return [{ answer: { content: sentence }, probability: 1 }];
  const text = toLastUserText(messages);
  const weights = labels.map((label) => Math.exp(toUniform(toStreamKey(text, 'guess', label), 0)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return labels.map((label, i) => ({ answer: { content: label }, probability: weights[i]! / sum }));
}

function toJsonStrings(text: string): string[] {
  return [...text.matchAll(/"(?:[^"\\\n]|\\.)*"/g)].flatMap(([quoted]) => {
    try {
      const value: unknown = JSON.parse(quoted);
      return typeof value === 'string' && value !== '' ? [value] : [];
    } catch {
      return [];
    }
  });
}

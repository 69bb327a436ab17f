import type { OpenAI } from 'openai';
import type { Choice } from './predictor.ts';
import { toTokens } from './tokens.ts';

type TokenLogprob = OpenAI.ChatCompletionTokenLogprob;

/** Stands for the end of an answer among the tokens that could come next. */
const end = '<|end|>';
const least = -9999; // as the service writes a probability of nothing

/** The tokens of an answer with their probabilities: at each place, of what could come after the tokens so far. */
export function toLogprobs(answer: string, choices: readonly Choice[], top: number): TokenLogprob[] {
  const texts = choices.map(({ answer: { content }, probability }) => ({ tokens: [...toTokens(content ?? ''), end], probability }));
  return toTokens(answer).map((token, i, all) => {
    const possible = texts.filter(({ tokens }) => tokens.length > i && all.slice(0, i).every((before, j) => tokens[j] === before));
    const sum = possible.reduce((total, { probability }) => total + probability, 0);
    const masses = new Map<string, number>();
    for (const { tokens, probability } of possible) masses.set(tokens[i]!, (masses.get(tokens[i]!) ?? 0) + probability);
    const ranked = [...masses].sort(([, a], [, b]) => b - a).slice(0, top);
    return { ...toToken(token, (masses.get(token) ?? 0) / sum), top_logprobs: ranked.map(([one, mass]) => toToken(one, mass / sum)) };
  });
}

function toToken(token: string, probability: number): Omit<TokenLogprob, 'top_logprobs'> {
  const logprob = probability > 0 ? Math.min(0, Math.max(least, Math.log(probability))) : least;
  return { token, logprob, bytes: [...Buffer.from(token)] };
}

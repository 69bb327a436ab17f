import { z } from 'zod';
import type { Prediction } from '../../src/provider/prediction.ts';

const anything = z.unknown().optional();

const Message = z.looseObject({ content: anything, refusal: anything, tool_calls: anything });
const Logprobs = z.looseObject({ content: z.array(z.looseObject({ logprob: z.number() })) });
const Choice = z.looseObject({ message: Message, finish_reason: anything, logprobs: anything });
const Usage = z.looseObject({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() });

/** What is read of an answer to a conversation. */
export const Completion = z.looseObject({ choices: z.tuple([Choice], z.unknown()), usage: anything });

export type Completion = z.infer<typeof Completion>;

type Choice = z.infer<typeof Choice>;

/** @param completion null: the service's filter let no answer come about */
export function toPrediction(id: string, completion: Completion | null, latencyMs: number): Prediction {
  if (completion === null) {
    return { id, answer: null, probabilities: null, logProbability: null, truncated: false, latencyMs, tokens: null };
  }
  const [choice] = completion.choices;
  const usage = Usage.safeParse(completion.usage).data;
  return {
    id,
    answer: toAnswer(choice),
    probabilities: null,
    logProbability: toLogProbability(choice),
    truncated: choice.finish_reason === 'length',
    latencyMs,
    tokens: usage === undefined ? null : { input: usage.prompt_tokens, output: usage.completion_tokens },
  };
}

/** The text; where there is none, the calls of tools as JSON. A refusal, and what a filter cut, is no answer. */
function toAnswer({ message: { content, refusal, tool_calls: calls }, finish_reason: end }: Choice): string | null {
  if (end === 'content_filter' || (typeof refusal === 'string' && refusal !== '')) return null;
  const hasCalls = Array.isArray(calls) && calls.length > 0;
  if (typeof content === 'string' && !(content === '' && hasCalls)) return content;
  return hasCalls ? JSON.stringify(calls) : null;
}

/** The sum over the tokens of the answer. */
function toLogProbability({ logprobs }: Choice): number | null {
  const tokens = Logprobs.safeParse(logprobs).data?.content ?? [];
  return tokens.length === 0 ? null : tokens.reduce((sum, { logprob }) => sum + logprob, 0);
}

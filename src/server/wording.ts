/** The words of /v1/chat/completions and of /v1/completions for an answer. */
import { randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import type { AnswerText } from '../provider/open-model.ts';
import type { Wording } from './answer.ts';

/** Of an answer: the name of the model as the request has it, and whether it wants probabilities. */
export interface WordingOptions {
  readonly model: string;
  readonly now: Date;
  readonly withLogprobs: boolean;
}

function describe({ model, now }: WordingOptions, prefix: string): (object: string) => object {
  const id = `${prefix}-${randomUUID().replaceAll('-', '')}`;
  const created = Math.floor(now.getTime() / 1000);
  return (object) => ({ id, object, created, model });
}

export function wordChat(options: WordingOptions): Wording {
  const toAbout = describe(options, 'chatcmpl');
  const list = (texts: readonly AnswerText[]): OpenAI.ChatCompletion.Choice.Logprobs | null =>
    options.withLogprobs ? { content: texts.filter(({ text }) => text !== '').map(buildTokenLogprob), refusal: null } : null;
  type Piece = OpenAI.ChatCompletionChunk.Choice;
  return {
    about: { whole: toAbout('chat.completion'), chunk: toAbout('chat.completion.chunk') },
    buildWhole: (texts, reason): OpenAI.ChatCompletion.Choice => ({
      index: 0,
      message: { role: 'assistant', content: join(texts), refusal: null },
      logprobs: list(texts),
      finish_reason: reason,
    }),
    beginning: { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null } satisfies Piece,
    buildPiece: (text): Piece => ({ index: 0, delta: { content: text.text }, logprobs: list([text]), finish_reason: null }),
    buildEnd: (reason): Piece => ({ index: 0, delta: {}, logprobs: null, finish_reason: reason }),
  };
}

export function wordCompletion(options: WordingOptions): Wording {
  const own = describe(options, 'cmpl')('text_completion');
  const list = (texts: readonly AnswerText[], offset: number): OpenAI.CompletionChoice.Logprobs | null =>
    options.withLogprobs ? buildLogprobs(texts, offset) : null;
  type Choice = OpenAI.CompletionChoice;
  return {
    about: { whole: own, chunk: own },
    buildWhole: (texts, reason): Choice => ({ index: 0, text: join(texts), logprobs: list(texts, 0), finish_reason: reason }),
    beginning: null,
    // The client's type knows no piece that goes on.
    buildPiece: (text, offset) => ({ index: 0, text: text.text, logprobs: list([text], offset), finish_reason: null }),
    buildEnd: (reason): Choice => ({ index: 0, text: '', logprobs: null, finish_reason: reason }),
  };
}

function join(texts: readonly AnswerText[]): string {
  return texts.map(({ text }) => text).join('');
}

function buildTokenLogprob({ text, logProbability, alternatives }: AnswerText): OpenAI.ChatCompletionTokenLogprob {
  const toToken = (token: string, logprob: number): OpenAI.ChatCompletionTokenLogprob.TopLogprob => ({
    token,
    logprob,
    bytes: [...Buffer.from(token)],
  });
  return {
    ...toToken(text, logProbability ?? 0),
    top_logprobs: alternatives.map((one) => toToken(one.text, one.logProbability)),
  };
}

function buildLogprobs(texts: readonly AnswerText[], offset: number): OpenAI.CompletionChoice.Logprobs {
  let at = offset;
  return {
    tokens: texts.map(({ text }) => text),
    token_logprobs: texts.map(({ logProbability }) => logProbability ?? 0),
    top_logprobs: texts.map(({ alternatives }) => Object.fromEntries(alternatives.map((one) => [one.text, one.logProbability]))),
    text_offset: texts.map(({ text }) => (at += text.length) - text.length),
  };
}

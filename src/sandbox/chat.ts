import type { OpenAI } from 'openai';
import { toStreamKey, toUniform } from '../lib/random.ts';
import { refuse, toAnswer, type Answer } from './answer.ts';
import { findDeployedModel } from './azure-deployments.ts';
import { guess } from './base-model.ts';
import type { Call } from './call.ts';
import { toSeconds } from './clock.ts';
import { advanceAll } from './jobs.ts';
import { toLogprobs } from './log-probabilities.ts';
import { refuseModel } from './models.ts';
import { createPredictor, type Choice } from './predictor.ts';
import { countTokens, toTokens } from './tokens.ts';
import { countMessageTokens, findMessageProblem, type AnswerMessage, type Message } from './training-file.ts';

/** The body of a chat request, as its schema lets it through. */
interface ChatBody {
  readonly model?: string;
  readonly messages: readonly Message[];
  readonly temperature?: number | null;
  readonly seed?: number | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
}

/** Answers a conversation. The same request always gets the same answer. */
export function chat(call: Call): Answer {
  const { account, nowMs } = call;
  const body = call.body as ChatBody;
  const problem = findMessageProblem(body.messages);
  if (problem !== null) refuse(400, `Invalid 'messages': ${problem}.`, { param: 'messages' });
  if (body.top_logprobs != null && body.logprobs !== true)
    refuse(400, `The 'logprobs' parameter must be true when 'top_logprobs' is given.`, { param: 'top_logprobs' });
  advanceAll(account, nowMs);
  const model = toModelName(call, body);
  const choices = predict(call, model, body.messages);
  const completion = toCompletion(call, { body, model, choices, chosen: choose(choices, body) });
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = completion.usage!;
  account.bill.push({ kind: 'chat', at: new Date(nowMs).toISOString(), model, promptTokens, completionTokens });
  return toAnswer(completion);
}

function toModelName(call: Call, body: ChatBody): string {
  const name = call.params['deployment'] ?? body.model ?? refuse(400, 'you must provide a model parameter', { param: 'model' });
  return call.dialect.needsDeployment ? findDeployedModel(call, name) : name;
}

function predict({ account, dialect }: Call, model: string, messages: readonly Message[]): readonly Choice[] {
  if (dialect.bases.some(({ id }) => id === model)) return guess(messages);
  const tuned = account.models.get(model);
  if (tuned === undefined || tuned.dialect.id !== dialect.id) return refuseModel(model);
  tuned.predictor ??= createPredictor(tuned.examples);
  return tuned.predictor(messages);
}

/** The most probable answer at temperature 0, else one by chance, drawn from the seed and the conversation. */
function choose(choices: readonly Choice[], { temperature, seed, messages }: ChatBody): AnswerMessage {
  const heat = temperature ?? 1;
  const best = choices.reduce((a, b) => (b.probability > a.probability ? b : a));
  if (heat === 0) return best.answer;
  const weights = choices.map(({ probability }) => (probability / best.probability) ** (1 / heat));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let rest = sum * toUniform(toStreamKey(seed ?? 0, JSON.stringify(messages)), 0);
  const drawn = choices.find((_, i) => (rest -= weights[i]!) < 0);
  return (drawn ?? best).answer;
}

interface Completed {
  readonly body: ChatBody;
  readonly model: string;
  readonly choices: readonly Choice[];
  readonly chosen: AnswerMessage;
}

function toCompletion({ account, nowMs }: Call, { body, model, choices, chosen }: Completed): OpenAI.ChatCompletion {
  const tokens = chosen.content === null ? [] : toTokens(chosen.content);
  const most = body.max_completion_tokens ?? body.max_tokens ?? Infinity;
  const content = chosen.content === null ? null : tokens.slice(0, most).join('');
  const calls = chosen.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[] | undefined;
  const prompt = countMessageTokens(body.messages);
  const completion = Math.min(tokens.length, most) + (calls === undefined ? 0 : countTokens(JSON.stringify(calls)));
  const finish = calls !== undefined ? 'tool_calls' : tokens.length > most ? 'length' : 'stop';
  const logprobs = body.logprobs === true ? { content: toLogprobs(content ?? '', choices, body.top_logprobs ?? 0), refusal: null } : null;
  const message: OpenAI.ChatCompletionMessage = {
    role: 'assistant',
    content,
    refusal: null,
    ...(calls === undefined ? {} : { tool_calls: calls }),
  };
  return {
    id: account.nextId('chatcmpl-'),
    object: 'chat.completion',
    created: toSeconds(nowMs),
    model,
    choices: [{ index: 0, message, logprobs, finish_reason: finish }],
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  };
}

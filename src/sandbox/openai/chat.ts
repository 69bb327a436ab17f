import type OpenAI from 'openai';
import { z } from 'zod';
import { toStreamKey, toUniform } from '../../lib/random.ts';
import { formatTime, toSeconds } from '../clock.ts';
import { readBody, refuse } from '../http.ts';
import type { SandboxContext } from '../service.ts';
import { findDeployedModel } from './deployments.ts';
import { advanceJobs } from './jobs.ts';
import { createPredictor, guess, type Choice, type Predictor } from './predictor.ts';
import { countMessageTokens, Message, splitTokens, type AnswerMessage } from './training-file.ts';

const bornMs = Date.UTC(2025, 3, 14);

/** The bases and the account's own models, without checkpoints; a tuned model is shut down with its base. */
export function listModels(context: SandboxContext): Response {
  const { account, dialect, service } = context.var;
  advanceJobs(account, service.clock.nowMs());
  const dates = new Map(dialect.bases.map(({ id, shutdownDate }) => [id, shutdownDate]));
  const bases = dialect.bases.map(({ id }) => ({ id, base: id, createdMs: bornMs, owned_by: 'system' }));
  const own = [...account.openai.models]
    .filter(([id, model]) => model.dialect.id === dialect.id && !id.includes(':ckpt-step-'))
    .map(([id, { base, createdMs }]) => ({ id, base, createdMs, owned_by: 'org-sandbox' }));
  const data = [...bases, ...own].map(({ id, base, createdMs, owned_by }): OpenAI.Model => {
    return { id, object: 'model', created: toSeconds(createdMs), owned_by, shutdown_date: dates.get(base) ?? null };
  });
  return context.json({ object: 'list', data });
}

/** Other members are ignored; those that cannot be ignored are refused. */
const ChatRequest = z.looseObject({
  model: z.string().optional(),
  messages: z.array(Message).min(1),
  temperature: z.number().min(0).max(2).nullish(),
  seed: z.int().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.literal(1).nullish(),
  stream: z.literal(false).nullish(),
});
type ChatRequest = z.infer<typeof ChatRequest>;

/** Answers a conversation. The same request always gets the same answer. */
export async function chat(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readBody(context, ChatRequest);
  if (body.top_logprobs != null && body.logprobs !== true)
    refuse(400, `The 'logprobs' parameter must be true when 'top_logprobs' is given.`, { param: 'top_logprobs' });
  const nowMs = service.clock.nowMs();
  advanceJobs(account, nowMs);
  const name = context.req.param('deployment') ?? body.model ?? refuse(400, 'you must provide a model parameter', { param: 'model' });
  const model = context.var.dialect.needsDeployment ? findDeployedModel(context, name) : name;
  const choices = findPredictor(context, model)(body.messages);
  const { choice, usage } = buildChoice(body, choices);
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage;
  account.bill.push({ kind: 'chat', at: formatTime(nowMs), model, promptTokens, completionTokens });
  const about = { id: account.nextId('chatcmpl-'), object: 'chat.completion', created: toSeconds(nowMs) } as const;
  return context.json({ ...about, model, choices: [choice], usage } satisfies OpenAI.ChatCompletion);
}

/** What the tuned models have learned, made at their first question. */
const predictors = new WeakMap<object, Predictor>();

function findPredictor({ var: { account, dialect } }: SandboxContext, id: string): Predictor {
  if (dialect.bases.some((base) => base.id === id)) return guess;
  const tuned = account.openai.models.get(id);
  const problem = `The model \`${id}\` does not exist or you do not have access to it.`;
  if (tuned === undefined || tuned.dialect.id !== dialect.id) return refuse(404, problem, { code: 'model_not_found' });
  const predictor = predictors.get(tuned) ?? createPredictor(tuned.examples);
  predictors.set(tuned, predictor);
  return predictor;
}

/** The most probable answer at temperature 0, else one by chance, drawn from the seed and the conversation. */
export function chooseAnswer(
  choices: readonly Choice[],
  { temperature, seed, messages }: Pick<ChatRequest, 'temperature' | 'seed' | 'messages'>,
): AnswerMessage {
  const heat = temperature ?? 1;
  const best = choices[0]!;
  if (heat === 0) return best.answer;
  const weights = choices.map(({ probability }) => (probability / best.probability) ** (1 / heat));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let rest = sum * toUniform(toStreamKey(seed ?? 0, JSON.stringify(messages)), 0);
  const drawn = choices.find((_, i) => (rest -= weights[i]!) < 0);
  return (drawn ?? best).answer;
}

interface BuiltChoice {
  readonly choice: OpenAI.ChatCompletion.Choice;
  readonly usage: OpenAI.CompletionUsage;
}

function buildChoice(body: ChatRequest, choices: readonly Choice[]): BuiltChoice {
  const answer = chooseAnswer(choices, body);
  const tokens = splitTokens(answer.content ?? '');
  const most = body.max_completion_tokens ?? body.max_tokens ?? Infinity;
  const content = answer.content === null ? null : tokens.slice(0, most).join('');
  const calls = answer.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[] | undefined;
  const prompt_tokens = countMessageTokens(body.messages);
  const completion_tokens = Math.min(tokens.length, most) + (calls === undefined ? 0 : splitTokens(JSON.stringify(calls)).length);
  const logprobs = body.logprobs === true ? { content: listLogprobs(content ?? '', choices, body.top_logprobs ?? 0), refusal: null } : null;
  return {
    choice: {
      index: 0,
      message: { role: 'assistant', content, refusal: null, ...(calls === undefined ? {} : { tool_calls: calls }) },
      logprobs,
      finish_reason: calls !== undefined ? 'tool_calls' : tokens.length > most ? 'length' : 'stop',
    },
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  };
}

/** Stands for the end of an answer among the tokens that could come next. */
const end = '<|end|>';
const least = -9999; // as the service writes a probability of 0

/** The tokens of an answer with their probabilities: at each place, of what could come after the tokens so far. */
function listLogprobs(answer: string, choices: readonly Choice[], top: number): OpenAI.ChatCompletionTokenLogprob[] {
  const texts = choices.map(({ answer: { content }, probability }) => ({ tokens: [...splitTokens(content ?? ''), end], probability }));
  const formatToken = (token: string, probability: number): OpenAI.ChatCompletionTokenLogprob.TopLogprob => {
    const logprob = probability > 0 ? Math.min(0, Math.max(least, Math.log(probability))) : least;
    return { token, logprob, bytes: [...Buffer.from(token)] };
  };
  return splitTokens(answer).map((token, i, all) => {
    const possible = texts.filter(({ tokens }) => tokens.length > i && all.slice(0, i).every((before, j) => tokens[j] === before));
    const sum = possible.reduce((total, { probability }) => total + probability, 0);
    const masses = new Map<string, number>();
    for (const { tokens, probability } of possible) masses.set(tokens[i]!, (masses.get(tokens[i]!) ?? 0) + probability / sum);
    const ranked = [...masses].sort(([, a], [, b]) => b - a).slice(0, top);
    return { ...formatToken(token, masses.get(token) ?? 0), top_logprobs: ranked.map(([other, mass]) => formatToken(other, mass)) };
  });
}

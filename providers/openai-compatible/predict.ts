import type OpenAI from 'openai';
import PQueue from 'p-queue';
import { z } from 'zod';
import { Failure, isFailure, type FailureCode } from '../../src/errors.ts';
import type { AnswerSchema } from '../../src/job/answer-schema.ts';
import { isObject } from '../../src/lib/json.ts';
import type { Context, PredictionContext } from '../../src/provider/context.ts';
import type { EndpointModel, ModelRef } from '../../src/provider/model.ts';
import { toModelName } from '../../src/provider/model-name.ts';
import type { Prediction, PredictionRow, PromptRow } from '../../src/provider/prediction.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { getPauseMs, retry } from '../../src/provider-kit/retry.ts';
import type { Api } from './client.ts';
import { getAnswer } from './failures.ts';

const mostTries = 3;

/**
 * Failures that may pass. Nothing was charged for an answer in the service's own words; a broken connection, or the page of a proxy, may
 * hide an answer that was. A timeout is not tried again: its answer was surely being made.
 */
const passing: ReadonlySet<FailureCode> = new Set<FailureCode>(['rate-limited', 'service-unavailable', 'service-unreachable']);

/** As the service's own client has it. */
const defaultAnswerMs = 600_000;

interface Target {
  readonly api: Api;
  readonly model: EndpointModel;
  readonly generation: PredictionContext['generation'];
  /** Until a request was refused for it. */
  withLogprobs: boolean;
}

/**
 * Answers rows with a model of the service, as many at once as the context says, each as soon as it is there. A request that the
 * service turns away for now is sent up to three times; until its pause is over no other one begins.
 * @throws Failure of the first row that gets no answer; requests that are under way are dropped then
 */
export async function* predict(
  api: Api,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: PredictionContext,
): AsyncGenerator<Prediction> {
  const checked = checkAnswerable(api, { model, rows }, context);
  const target: Target = { api, model: checked.model, generation: context.generation, withLogprobs: true };
  const stop = new AbortController();
  const stoppable: Context = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  const queue = new PQueue({ concurrency: Math.max(1, context.concurrency) });
  const mayAsk = (): boolean => context.mayAsk?.() ?? true;
  let pauses = 0;
  const pauseAll = async (ms: number): Promise<void> => {
    pauses += 1;
    queue.pause();
    await stoppable.wait(ms).finally(() => {
      pauses -= 1;
      if (pauses === 0) queue.start();
    });
  };
  const askPatiently = async (row: PromptRow): Promise<Prediction> =>
    await retry(
      async () => await queue.add(async () => await ask(target, row, { ...stoppable, onLost: context.onLost })),
      { signal: stoppable.signal, wait: pauseAll },
      { tries: mostTries, getPauseMs: (error, tries) => (mayAsk() && isPassing(error) ? getPauseMs(error, tries) : null) },
    );
  const waiting = [...checked.rows];
  const running = new Map<PromptRow, Promise<{ readonly row: PromptRow; readonly prediction: Prediction }>>();
  try {
    for (;;) {
      context.signal.throwIfAborted();
      // No more rows than may be asked at once: a reader who stops has paid for no others.
      for (const row of waiting.splice(0, mayAsk() ? queue.concurrency - running.size : 0)) {
        running.set(
          row,
          askPatiently(row).then((prediction) => ({ row, prediction })),
        );
      }
      if (running.size === 0) return;
      const { row, prediction } = await Promise.race(running.values());
      running.delete(row);
      yield prediction;
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    stop.abort();
    queue.clear();
    await Promise.allSettled(running.values());
  }
}

/**
 * Checks that this service, here, can answer these rows with this model.
 * @throws Failure `model-invalid`, `data-invalid`, `configuration-invalid`
 */
export function checkAnswerable(
  api: Api,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: Context,
): { model: EndpointModel; rows: readonly PromptRow[] } {
  if (model.kind !== 'endpoint') {
    throw new Failure('model-invalid', `expected a model of ${api.config.name}, found ${toModelName(model)}`);
  }
  api.checkLocation(`the model ${model.name}`, model.location, context);
  const prompts = rows.filter((row) => 'messages' in row);
  const text = rows.find((row) => !('messages' in row));
  if (text === undefined) return { model, rows: prompts };
  throw new Failure('data-invalid', `row ${text.id}: expected messages for the model ${model.name}, found a text without them`);
}

const call = 'POST /chat/completions';

type AskContext = Context & { readonly onLost: PredictionContext['onLost'] };

async function ask(target: Target, row: PromptRow, context: AskContext): Promise<Prediction> {
  const { api } = target;
  const startedMs = context.now().getTime();
  const deadlineMs = api.config.deadlines?.answerMs ?? defaultAnswerMs;
  const completion = await api.call({ call, deadlineMs }, context, async (client) => {
    try {
      const answer = await post(client, target, row);
      return answer === null ? null : parseAnswer(Completion, answer, call);
    } catch (error) {
      if (mayBeCharged(error) && !context.signal.aborted) context.onLost?.(row.id);
      throw error;
    }
  });
  return toPrediction(row.id, completion, context.now().getTime() - startedMs);
}

/** Whether an answer may have been made that did not arrive: nobody says the contrary, neither the network nor the service itself. */
function mayBeCharged(error: unknown): boolean {
  const isOwnWord = getAnswer(error).status !== null && error instanceof Error && 'error' in error && error.error != null;
  return !isOwnWord && toSendOutcome(error).sent === 'unknown';
}

function isPassing(error: unknown): boolean {
  return isFailure(error) && passing.has(error.code);
}

/** The answer; null where a filter of the service let none come about. */
async function post(client: OpenAI, target: Target, row: PromptRow): Promise<unknown> {
  const { withLogprobs } = target;
  try {
    return await client.chat.completions.create(buildBody(target, row));
  } catch (error) {
    const { status, param, code, message } = getAnswer(error);
    if (status === 400 && code === 'content_filter') return null;
    const isAboutLogprobs = status === 400 && (param === 'logprobs' || message.includes('logprobs'));
    if (!withLogprobs || !isAboutLogprobs) throw error;
    target.withLogprobs = false;
    return await post(client, target, row);
  }
}

const openaiChat = { maxTokens: 'max_completion_tokens', logprobs: true } as const;

function buildBody(
  { api, model, generation, withLogprobs }: Target,
  { messages, tools }: PromptRow,
): OpenAI.Chat.ChatCompletionCreateParamsNonStreaming {
  const { temperature, maxTokens, seed, schema } = generation;
  const chat = api.config.chat ?? openaiChat;
  const body = {
    model: model.name, // on Azure the name of a deployment
    // Weights belong to training, and are refused here.
    messages: messages.map((message) => ({ ...message, weight: undefined })),
    tools: tools?.length === 0 ? undefined : tools,
    temperature,
    // Not `max_tokens` where nothing else is said: it is deprecated, and reasoning models refuse it; OpenAI and Azure take this for all models.
    [chat.maxTokens]: maxTokens,
    seed,
    response_format: schema === undefined ? undefined : buildResponseFormat(schema),
    logprobs: withLogprobs ? (chat.logprobs ?? undefined) : undefined,
  };
  return body as unknown as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming; // rows hold whatever messages the user has
}

/** The field that holds answers to a schema: the same at OpenAI, Azure and Together, and in vLLM, TGI and llama.cpp. */
function buildResponseFormat(schema: AnswerSchema): Readonly<Record<string, unknown>> {
  if (schema['type'] === 'json_object') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema, ...(isStrictSchema(schema) && { strict: true }) } };
}

/**
 * Whether a service can hold a model to the schema token by token, as `strict` asks OpenAI for it: each object names all of its properties, and
 * requires them. Other schemas are sent all the same; OpenAI's models then follow them as well as they can.
 */
function isStrictSchema(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(isStrictSchema);
  if (!isObject(schema)) return true;
  const { type, properties, required, additionalProperties, $defs, definitions, enum: _, const: _value, ...others } = schema;
  const inner = [properties, $defs, definitions].filter(isObject).flatMap((schemas) => Object.values(schemas));
  if (properties !== undefined || [type].flat().includes('object')) {
    const names = Object.keys(isObject(properties) ? properties : {});
    if (additionalProperties !== false || !Array.isArray(required) || !names.every((name) => required.includes(name))) return false;
  }
  return [...inner, ...Object.values(others)].every(isStrictSchema);
}

const anything = z.unknown().optional();
const Message = z.looseObject({ content: anything, refusal: anything, tool_calls: anything });
/** OpenAI has the probability of each token beside the token, Together all of them in a list. */
const Logprobs = z.union([
  z
    .looseObject({ content: z.array(z.looseObject({ logprob: z.number() })) })
    .transform(({ content }) => content.map(({ logprob }) => logprob)),
  z.looseObject({ token_logprobs: z.array(z.number()) }).transform(({ token_logprobs: all }) => all),
]);
const Choice = z.looseObject({ message: Message, finish_reason: anything, logprobs: anything });
const Usage = z.looseObject({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() });

/** What is read of an answer to a conversation. */
const Completion = z.looseObject({ choices: z.tuple([Choice], z.unknown()), usage: anything });

/** @param completion null: the service's filter let no answer come about */
function toPrediction(id: string, completion: z.infer<typeof Completion> | null, latencyMs: number): Prediction {
  if (completion === null) {
    return { id, answer: null, probabilities: null, logProbability: null, truncated: false, latencyMs, tokens: null };
  }
  const [choice] = completion.choices;
  const usage = Usage.safeParse(completion.usage).data;
  const logprobs = Logprobs.safeParse(choice.logprobs).data ?? [];
  return {
    id,
    answer: getText(choice),
    probabilities: null,
    logProbability: logprobs.length === 0 ? null : logprobs.reduce((sum, logprob) => sum + logprob, 0),
    truncated: choice.finish_reason === 'length',
    latencyMs,
    tokens: usage === undefined ? null : { input: usage.prompt_tokens, output: usage.completion_tokens },
  };
}

/** The text; where there is none, the calls of tools as JSON. A refusal, or a text that a filter cut, is no answer. */
function getText({ message: { content, refusal, tool_calls: calls }, finish_reason: end }: z.infer<typeof Choice>): string | null {
  if (end === 'content_filter' || (typeof refusal === 'string' && refusal !== '')) return null;
  const hasCalls = Array.isArray(calls) && calls.length > 0;
  if (typeof content === 'string' && !(content === '' && hasCalls)) return content;
  return hasCalls ? JSON.stringify(calls) : null;
}

/** Bodies of requests: what is read of them, what is refused since it would change the answer, and what is ignored since it does not. */
import { z } from 'zod';
import { parseMessages } from '../dataset/messages.ts';
import type { ChatMessage } from '../dataset/row.ts';
import { isFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import type { OpenModel, SamplingSettings } from '../provider/open-model.ts';
import { refuse } from './errors.ts';

/** What a request wants, whatever its route calls it. */
export interface ParsedRequest {
  readonly settings: SamplingSettings;
  /** Whether the answer is sent as it comes. */
  readonly isStream: boolean;
  /** Whether a stream ends with the number of tokens. */
  readonly withUsage: boolean;
}

const count = z.int('expected a positive whole number').min(1, 'expected a positive whole number').nullish();
const fraction = z.number('expected a number').min(0, 'expected a number from 0').max(1, 'expected a number up to 1').nullish();

const shared = {
  model: z.string('expected the name of a model'),
  max_tokens: count,
  temperature: z.number('expected a number').min(0, 'expected a number from 0').max(2, 'expected a number up to 2').nullish(),
  top_p: fraction,
  top_k: z.int('expected a whole number').nullish(),
  seed: z.int('expected a whole number').nullish(),
  stop: z
    .union([z.string(), z.array(z.string())], 'expected a text or a list of texts')
    .refine((stop) => stop.length <= 4 || typeof stop === 'string', 'expected 4 texts at most')
    .nullish(),
  stream: z.boolean('expected true or false').nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean('expected true or false').nullish() }, 'expected an object').nullish(),
};

const ResponseFormat = z.discriminatedUnion(
  'type',
  [
    z.looseObject({ type: z.literal('text') }),
    z.looseObject({ type: z.literal('json_object') }),
    z.looseObject({
      type: z.literal('json_schema'),
      json_schema: z.looseObject(
        { schema: z.record(z.string(), z.unknown(), 'expected a JSON Schema') },
        'expected an object with a schema',
      ),
    }),
  ],
  'expected text, json_object or json_schema',
);

const mostAlternatives = 20;
const alternatives = z.int('expected a whole number from 0 to 20').min(0).max(mostAlternatives).nullish();

const ChatBody = z.object({
  ...shared,
  messages: z.unknown(),
  max_completion_tokens: count,
  logprobs: z.boolean('expected true or false').nullish(),
  top_logprobs: alternatives,
  response_format: ResponseFormat.nullish(),
});

const CompletionBody = z.object({
  ...shared,
  prompt: z.union([z.string(), z.array(z.string()).length(1)], 'expected a text'),
  logprobs: alternatives,
});

/** Fields that neither the model nor the answer depends on. */
const ignored: readonly string[] =
  'user store metadata service_tier safety_identifier prompt_cache_key prompt_cache_retention prediction parallel_tool_calls'.split(' ');

const isEmpty = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;
const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const isOne = (value: unknown): boolean => value === 1;
const isZero = (value: unknown): boolean => value === 0;
const isNoTool = (value: unknown): boolean => value === 'none' || value === 'auto';

/** Fields that would change the answer and that are not possible here, with what of them changes nothing. */
const refused: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: isOne,
  best_of: isOne,
  tools: isEmptyList,
  functions: isEmptyList,
  tool_choice: isNoTool,
  function_call: isNoTool,
  logit_bias: isEmpty,
  modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
  audio: () => false,
  web_search_options: () => false,
  reasoning_effort: () => false,
  verbosity: () => false,
  frequency_penalty: isZero,
  presence_penalty: isZero,
  repetition_penalty: isOne,
  echo: (value) => value === false,
  suffix: (value) => value === '',
};

/** @throws a refusal */
export function parseChatRequest(body: unknown, model: OpenModel): ParsedRequest & { readonly messages: readonly ChatMessage[] } {
  const request = parseBody(body, ChatBody);
  const { logprobs, top_logprobs: top, response_format: format, max_completion_tokens: most } = request;
  if (top != null && logprobs !== true) {
    refuse(400, "The 'logprobs' parameter must be true when 'top_logprobs' is given.", { param: 'top_logprobs' });
  }
  const schema = format?.type === 'json_schema' ? format.json_schema.schema : format?.type === 'json_object' ? { type: 'object' } : null;
  if (schema !== null && model.gives !== 'text') {
    refuse(400, `This model is a classifier: it answers with ${named[model.gives]}, in no other form.`, { param: 'response_format' });
  }
  const settings = toSettings({ ...request, max_tokens: most ?? request.max_tokens }, model, logprobs === true ? (top ?? 0) : null);
  return { ...toParsed(request), settings: { ...settings, schema }, messages: parseConversation(request.messages) };
}

/** @throws a refusal */
export function parseCompletionRequest(body: unknown, model: OpenModel): ParsedRequest & { readonly text: string } {
  const request = parseBody(body, CompletionBody);
  const settings = toSettings(request, model, request.logprobs ?? null);
  return { ...toParsed(request), settings, text: [request.prompt].flat()[0]! };
}

const named = { label: 'its label', labels: 'its labels', number: 'its number' } as const;

function parseBody<T>(body: unknown, schema: z.ZodObject & z.ZodType<T>): T {
  if (!isObject(body)) return refuse(400, 'Expected a JSON object as the body of the request.');
  for (const [name, value] of Object.entries(body)) {
    if (value === null || ignored.includes(name) || Object.hasOwn(schema.shape, name)) continue;
    if (!Object.hasOwn(refused, name)) {
      refuse(400, `Unrecognized request argument supplied: ${name}`, { param: name, code: 'unknown_parameter' });
    }
    if (!refused[name]!(value)) {
      const message = `Unsupported value: '${name}' is not supported by this server. Leave it out.`;
      refuse(400, message, { param: name, code: 'unsupported_value' });
    }
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const param = path.join('.');
  return refuse(400, `Invalid '${param}': ${message}.`, { param });
}

interface SharedFields {
  readonly max_tokens?: number | null | undefined;
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly top_k?: number | null | undefined;
  readonly seed?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly stream?: boolean | null | undefined;
  readonly stream_options?: { readonly include_usage?: boolean | null | undefined } | null | undefined;
}

/** What OpenAI's service takes where a request says nothing; without a seed each answer has another one. */
function toSettings(request: SharedFields, { gives, maxLength }: OpenModel, count: number | null): SamplingSettings {
  const { max_tokens: maxTokens = null, top_k: topK } = request;
  if (gives === 'number' && count !== null) refuse(400, 'This model gives a number, which has no probability.', { param: 'logprobs' });
  if (gives === 'text' && maxTokens !== null && maxTokens > maxLength) {
    const message = `max_tokens is too large: ${maxTokens}. This model reads and writes ${maxLength} tokens at most.`;
    refuse(400, message, { param: 'max_tokens', code: 'context_length_exceeded' });
  }
  return {
    maxTokens,
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: topK != null && topK > 0 ? topK : null,
    seed: request.seed ?? Math.floor(Math.random() * 2 ** 31),
    stop: [request.stop ?? []].flat().filter((text) => text !== ''),
    schema: null,
    alternatives: count,
  };
}

function toParsed({ stream, stream_options: options }: SharedFields): Pick<ParsedRequest, 'isStream' | 'withUsage'> {
  return { isStream: stream === true, withUsage: options?.include_usage === true };
}

/** Messages with texts alone; the newer name of the system's role means the same, and templates do not know it. */
function parseConversation(value: unknown): readonly ChatMessage[] {
  try {
    return parseMessages(value, 'messages').map((message, i) => ({
      ...message,
      role: message.role === 'developer' ? 'system' : message.role,
      ...(Array.isArray(message['content']) ? { content: joinParts(message['content'] as { type: string; text?: string }[], i) } : {}),
    }));
  } catch (error) {
    if (isFailure(error)) return refuse(400, error.message, { param: 'messages' });
    throw error;
  }
}

function joinParts(parts: readonly { readonly type: string; readonly text?: string }[], i: number): string {
  const other = parts.find(({ type }) => type !== 'text');
  if (other !== undefined)
    refuse(400, `messages[${i}].content: this model reads texts, found a part of the type "${other.type}".`, { param: 'messages' });
  return parts.map(({ text = '' }) => text).join('');
}

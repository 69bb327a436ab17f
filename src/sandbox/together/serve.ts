import type Together from 'together-ai';
import { z } from 'zod';
import { formatTime, toSeconds } from '../clock.ts';
import { getParam, readBody, refuse } from '../http.ts';
import { chooseAnswer } from '../openai/chat.ts';
import { createPredictor, guess, type Predictor } from '../openai/predictor.ts';
import { countMessageTokens, Message, splitTokens } from '../openai/training-file.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import { togetherBases } from './create-job.ts';
import { advanceTogetherJobs } from './jobs.ts';
import type { TogetherEndpoint } from './state.ts';

export function listSupported(context: SandboxContext): Response {
  return context.json({ models: Object.keys(togetherBases) });
}

export function readLimits(context: SandboxContext): Response {
  const limits = togetherBases[context.req.query('model_name') ?? ''];
  return limits === undefined ? refuse(404, 'The model is not supported for fine-tuning.') : context.json(limits);
}

const bornMs = Date.UTC(2025, 3, 14);

/** The bases, which answer by themselves, and the account's tuned models, which do so while an endpoint runs. */
export function listTogetherModels(context: SandboxContext): Response {
  const { account, service } = context.var;
  advanceTogetherJobs(account, service.clock.nowMs());
  const bases = Object.keys(togetherBases).map((id) => ({ id, createdMs: bornMs }));
  const own = [...account.together.models].map(([id, { createdMs }]) => ({ id, createdMs }));
  const toModel = ({ id, createdMs }: { id: string; createdMs: number }) => ({
    id,
    object: 'model',
    created: toSeconds(createdMs),
    type: 'chat',
  });
  return context.json([...bases, ...own].map(toModel));
}

/** The machines, in cents a minute. */
const hardware = { '1x_nvidia_h100_80gb_sxm': 6.65, '1x_nvidia_l40s_48gb': 3.5 } as const;

export function listHardware(context: SandboxContext): Response {
  const updated_at = formatTime(bornMs);
  const data = Object.entries(hardware).map(([id, cents_per_minute]) => {
    const [, , gpu_type = ''] = id.split('_');
    const specs = { gpu_count: 1, gpu_link: 'sxm', gpu_memory: 80, gpu_type };
    const availability = context.req.query('model') === undefined ? {} : { availability: { status: 'available' as const } };
    return { id, object: 'hardware' as const, pricing: { cents_per_minute }, specs, updated_at, ...availability };
  });
  return context.json({ object: 'list', data } satisfies Together.EndpointListHardwareResponse);
}

const NewEndpoint = z.strictObject({
  model: z.string(),
  hardware: z.string(),
  autoscaling: z.strictObject({ min_replicas: z.int().min(0), max_replicas: z.int().min(1) }),
  display_name: z.string().optional(),
  inactive_timeout: z.int().min(0).nullish(),
  state: z.enum(['STARTED', 'STOPPED']).optional(),
  disable_prompt_cache: z.boolean().optional(),
  disable_speculative_decoding: z.boolean().optional(),
  availability_zone: z.string().optional(),
});

/** From the request until a model answers. */
const startMs = 700;
const minuteMs = 60_000;

/** Starts an endpoint, which costs by the minute until it is deleted. Two requests make two endpoints. */
export async function createEndpoint(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readBody(context, NewEndpoint);
  const nowMs = service.clock.nowMs();
  advanceTogetherJobs(account, nowMs);
  if (!account.together.models.has(body.model)) refuse(404, `The model ${body.model} was not found.`, { param: 'model' });
  if (!Object.hasOwn(hardware, body.hardware)) refuse(400, `Invalid hardware: ${body.hardware}.`, { param: 'hardware' });
  const id = `endpoint-${account.nextHex(8)}`;
  const wire: TogetherEndpoint['wire'] = {
    object: 'endpoint',
    id,
    name: `sandbox/${body.model.split('/').at(-1)!}-${id.slice('endpoint-'.length)}`,
    display_name: body.display_name ?? body.model,
    model: body.model,
    hardware: body.hardware,
    type: 'dedicated',
    owner: account.name,
    autoscaling: body.autoscaling,
    created_at: formatTime(nowMs),
  };
  const timeoutMs = body.inactive_timeout == null || body.inactive_timeout === 0 ? null : body.inactive_timeout * minuteMs;
  const endpoint: TogetherEndpoint = { wire, createdMs: nowMs, timeoutMs, usedMs: nowMs, isStopped: body.state === 'STOPPED' };
  account.together.endpoints.set(id, endpoint);
  account.bill.push({ kind: 'deployment', at: formatTime(nowMs), deployment: id, model: body.model, sku: body.hardware });
  return context.json(formatEndpoint(endpoint, nowMs));
}

function formatEndpoint({ wire, createdMs, isStopped }: TogetherEndpoint, nowMs: number): Together.DedicatedEndpoint {
  return { ...wire, state: isStopped ? 'STOPPED' : nowMs < createdMs + startMs ? 'STARTING' : 'STARTED' };
}

export function listEndpoints(context: SandboxContext): Response {
  const { account, service } = context.var;
  endIdle(account, service.clock.nowMs());
  const data = [...account.together.endpoints.values()].map((endpoint) => formatEndpoint(endpoint, service.clock.nowMs()));
  return context.json({ object: 'list', data });
}

export function retrieveEndpoint(context: SandboxContext): Response {
  return context.json(formatEndpoint(findEndpoint(context), context.var.service.clock.nowMs()));
}

export function deleteEndpoint(context: SandboxContext): Response {
  const { account, service } = context.var;
  const endpoint = findEndpoint(context);
  account.together.endpoints.delete(endpoint.wire.id);
  charge(account, endpoint, service.clock.nowMs());
  return context.body(null, 204);
}

function findEndpoint(context: SandboxContext): TogetherEndpoint {
  const { account, service } = context.var;
  endIdle(account, service.clock.nowMs());
  const id = getParam(context, 'id');
  return account.together.endpoints.get(id) ?? refuse(404, `Endpoint ${id} not found`);
}

function charge(account: AccountState, { wire, createdMs, isStopped }: TogetherEndpoint, nowMs: number): void {
  if (isStopped) return; // charged when it was
  const hours = Math.ceil((nowMs - createdMs) / minuteMs) / 60;
  account.bill.push({ kind: 'deployment-end', at: formatTime(nowMs), deployment: wire.id, hours });
}

/** Endpoints that nobody has used for the time that they were given. */
function endIdle(account: AccountState, nowMs: number): void {
  for (const endpoint of account.together.endpoints.values()) {
    const endMs = endpoint.timeoutMs === null ? Infinity : endpoint.usedMs + endpoint.timeoutMs;
    if (endpoint.isStopped || endMs > nowMs) continue;
    charge(account, endpoint, endMs);
    endpoint.isStopped = true;
  }
}

/** The members that the published document knows and the stand-in obeys; others are ignored. */
const ChatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(Message).min(1),
  temperature: z.number().min(0).max(2).nullish(),
  seed: z.int().nullish(),
  logprobs: z.int('expected an integer from 0 to 20').min(0).max(20).nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.literal(1).nullish(),
  stream: z.literal(false).nullish(),
});

const predictors = new WeakMap<object, Predictor>();

/** Answers a conversation. The same request always gets the same answer. */
export async function togetherChat(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readBody(context, ChatRequest);
  const nowMs = service.clock.nowMs();
  const choices = findPredictor(context, body.model)(body.messages);
  const answer = chooseAnswer(choices, body);
  const tokens = splitTokens(answer.content ?? '');
  const most = body.max_tokens ?? Infinity;
  const content = answer.content === null ? null : tokens.slice(0, most).join('');
  const probability = choices.find((choice) => choice.answer === answer)!.probability;
  // The first token has all of the doubt.
  const token_logprobs = splitTokens(content ?? '').map((_, i) => (i === 0 ? Math.min(0, Math.log(probability)) : 0));
  const logprobs = body.logprobs == null ? {} : { logprobs: { tokens: splitTokens(content ?? ''), token_logprobs } };
  const [promptTokens, completionTokens] = [countMessageTokens(body.messages), Math.min(tokens.length, most)];
  account.bill.push({ kind: 'chat', at: formatTime(nowMs), model: body.model, promptTokens, completionTokens });
  const message = { role: 'assistant', content, ...(answer.tool_calls === undefined ? {} : { tool_calls: answer.tool_calls }) };
  const finish_reason = answer.tool_calls !== undefined ? 'tool_calls' : tokens.length > most ? 'length' : 'stop';
  return context.json({
    id: account.nextId('chatcmpl-'),
    object: 'chat.completion',
    created: toSeconds(nowMs),
    model: body.model,
    choices: [{ index: 0, message, finish_reason, ...logprobs }],
    usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens },
  });
}

/** A base answers by itself, a tuned model under the name of an endpoint that runs. */
function findPredictor({ var: { account, service } }: SandboxContext, name: string): Predictor {
  if (Object.hasOwn(togetherBases, name)) return guess;
  const nowMs = service.clock.nowMs();
  endIdle(account, nowMs);
  const endpoint = [...account.together.endpoints.values()].find(({ wire, isStopped }) => wire.name === name && !isStopped);
  const model = endpoint === undefined ? undefined : account.together.models.get(endpoint.wire.model);
  if (endpoint === undefined || model === undefined) {
    const known = account.together.models.has(name);
    const why = known ? `Unable to access non-serverless model ${name}: create a dedicated endpoint for it.` : `Unable to access ${name}.`;
    return refuse(known ? 400 : 404, why, { code: known ? 'model_not_available' : 'model_not_found' });
  }
  if (nowMs < endpoint.createdMs + startMs) refuse(503, 'The endpoint is starting.', { code: 'service_unavailable' });
  endpoint.usedMs = nowMs;
  const predictor = predictors.get(model) ?? createPredictor(model.examples);
  predictors.set(model, predictor);
  return predictor;
}

/** The routes, and what stands before them: who may ask, for which host, and how much. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { readQuestion, type ChatPrompt } from '../dataset/chat.ts';
import type { ChatMessage } from '../dataset/row.ts';
import type { Secret } from '../lib/redact.ts';
import { formatBytes } from '../lib/text.ts';
import type { AnswerRequest, OpenModel } from '../provider/open-model.ts';
import { beginAnswer, sendStream, sendWhole, type Wording } from './answer.ts';
import { buildError, hiddenFault, refuse } from './errors.ts';
import { createGate, type Gate, type GateLimits } from './gate.ts';
import { parseChatRequest, parseCompletionRequest, type ParsedRequest } from './requests.ts';
import { wordChat, wordCompletion } from './wording.ts';

/** A model with its names in requests. */
export interface Served {
  readonly model: OpenModel;
  /** The first one is its own, the others are aliases. */
  readonly names: readonly [string, ...string[]];
  /** How texts became messages where the model was trained; absent: a message is a text. */
  readonly question?: { readonly prompt: ChatPrompt | null; readonly isPair: boolean } | undefined;
}

export interface AppOptions {
  readonly limits: GateLimits & { readonly bodyBytes: number };
  /** What every request must show; null: nothing. */
  readonly key: Secret | null;
  /** Whether only requests for a name of this machine itself are answered. */
  readonly isLoopback: boolean;
  readonly now: () => Date;
  /** Aborts where requests are cut off. */
  readonly signal: AbortSignal;
  /** Is told what goes wrong, but for requests that are at fault themselves. */
  onFailure(error: unknown): void;
}

interface Env {
  readonly Bindings: HttpBindings;
}

export function createApp(served: Served, options: AppOptions): Hono<Env> {
  const { limits, key, isLoopback, onFailure } = options;
  const begunAt = options.now();
  const answer = createAnswering(served, { ...options, enter: createGate(limits) });
  return new Hono<Env>()
    .use(isLoopback ? checkHost : pass)
    .use(key === null ? pass : createKeyCheck(key))
    .get('/v1/models', (context) => context.json({ object: 'list', data: served.names.map((name) => buildModel(name, begunAt)) }))
    .get('/v1/models/:name{.+}', (context) => context.json(buildModel(findName(served, context.req.param('name')), begunAt)))
    .post('/v1/chat/completions', async (context) => {
      const body = await readBody(context, served, limits);
      const request = parseChatRequest(body, served.model);
      return await answer(context, { ...request, input: toInput(request.messages, served), name: body.model, word: wordChat });
    })
    .post('/v1/completions', async (context) => {
      const body = await readBody(context, served, limits);
      const request = parseCompletionRequest(body, served.model);
      return await answer(context, { ...request, input: { text: request.text }, name: body.model, word: wordCompletion });
    })
    .notFound(({ req: { method, path } }) => buildError(404, `Unknown request URL: ${method} ${path}.`, { code: 'unknown_url' }))
    .onError((error) => {
      if (error instanceof HTTPException) return error.getResponse();
      if (options.signal.aborted) return buildError(503, 'The server is being stopped.');
      onFailure(error);
      return buildError(500, hiddenFault);
    });
}

const pass: MiddlewareHandler<Env> = async (_context, next) => await next();

/** A page of the web can have its own name lead to this machine, and would then read the answers. */
const checkHost: MiddlewareHandler<Env> = async (context, next) => {
  const host = context.req.header('host') ?? '';
  if (!/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)) {
    refuse(403, `Expected a request for localhost or 127.0.0.1, found one for the host ${JSON.stringify(host)}.`, {
      code: 'host_not_allowed',
    });
  }
  await next();
};

function createKeyCheck(key: Secret): MiddlewareHandler<Env> {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest(); // of one length, so that the time says nothing
  const expected = hash(key.reveal());
  return async (context, next) => {
    const given = /^Bearer (.*)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    if (given === undefined)
      refuse(401, "You didn't provide an API key: send it as `Authorization: Bearer KEY`.", { code: 'missing_api_key' });
    if (!timingSafeEqual(hash(given), expected)) refuse(401, 'Incorrect API key provided.', { code: 'invalid_api_key' });
    await next();
  };
}

function buildModel(id: string, begunAt: Date): object {
  return { id, object: 'model', created: Math.floor(begunAt.getTime() / 1000), owned_by: 'orchestrate' };
}

function findName({ names }: Served, name: string): string {
  if (names.includes(name)) return name;
  const known = names.map((one) => `\`${one}\``).join(', ');
  return refuse(404, `The model \`${name}\` does not exist here: this server has ${known}.`, { param: 'model', code: 'model_not_found' });
}

/** A form of a web page can send no JSON: it could have the model work for anybody. */
async function readBody(context: Context<Env>, served: Served, limits: AppOptions['limits']): Promise<{ readonly model: string }> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    refuse(415, `Expected the content type application/json, found ${JSON.stringify(type)}.`, { code: 'unsupported_content_type' });
  }
  const text = await readText(context, limits.bodyBytes);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    refuse(400, 'We could not parse the JSON body of your request.');
  }
  const name = (body as { model?: unknown } | null)?.model;
  if (typeof name !== 'string') refuse(400, 'you must provide a model parameter', { param: 'model' });
  findName(served, name);
  return body as { readonly model: string };
}

/** A body of so many bytes at most, whether its length is said before it or it comes in chunks. */
async function readText({ req, env }: Context<Env>, most: number): Promise<string> {
  const check = (size: number): void => {
    if (size > most) refuse(413, `The body of a request has ${formatBytes(most)} at most.`, { code: 'request_too_large' });
  };
  check(Number(req.header('content-length') ?? 0));
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of env.incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    check(size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A classifier reads what the user has said last. */
function toInput(messages: readonly ChatMessage[], { model, question }: Served): AnswerRequest['input'] {
  if (model.gives === 'text') return { messages };
  const last = messages.findLast(({ role }) => role === 'user');
  if (typeof last?.content !== 'string')
    return refuse(400, 'This model is a classifier: expected a message of the user, found none.', { param: 'messages' });
  return question === undefined ? { text: last.content } : readQuestion(last.content, question);
}

interface Answering extends AppOptions {
  readonly enter: Gate;
}

interface Asked extends ParsedRequest {
  readonly input: AnswerRequest['input'];
  /** Of the model, as the request has it. */
  readonly name: string;
  readonly word: typeof wordChat;
}

/** Answers a request in its turn. Whoever goes away before the end ends the work. */
function createAnswering({ model }: Served, { enter, now, signal, onFailure }: Answering) {
  return async (context: Context<Env>, { input, name, word, ...request }: Asked): Promise<Response> => {
    const gone = new AbortController();
    context.env.outgoing.once('close', () => gone.abort());
    const stop = AbortSignal.any([signal, gone.signal]);
    const { settings } = request;
    const wording: Wording = word({ model: name, now: now(), withLogprobs: settings.alternatives !== null });
    try {
      const leave = await enter(stop);
      context.env.outgoing.once('close', leave);
      const begun = await beginAnswer(model, { ...settings, input }, stop);
      if (!request.isStream) return await sendWhole(begun, wording);
      const onEnd = (error: unknown): void => {
        leave();
        if (error !== null && !stop.aborted) onFailure(error);
      };
      return sendStream(begun, { request, wording, onEnd });
    } catch (error) {
      if (gone.signal.aborted) return new Response(null, { status: 499 }); // nobody reads it
      throw error;
    }
  };
}

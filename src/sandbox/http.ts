import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { formatTime } from './clock.ts';
import type { Fault, RequestKind } from './faults.ts';
import type { AccountState, SandboxContext, SandboxEnv } from './service.ts';

interface ErrorDetails {
  readonly type?: string;
  readonly param?: string | null;
  readonly code?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error in OpenAI's words. */
export function buildError(status: number, message: string, details: ErrorDetails = {}): Response {
  const { type = status >= 500 ? 'server_error' : 'invalid_request_error', param = null, code = null, headers = {} } = details;
  return Response.json({ error: { message, type, param, code } }, { status, headers });
}

/** Ends the handling of a request with an error of OpenAI. */
export function refuse(status: ContentfulStatusCode, message: string, details: ErrorDetails = {}): never {
  throw new HTTPException(status, { res: buildError(status, message, details) });
}

/** How a service words the errors that a fault plans. */
export interface PlannedErrors {
  failed(): Response;
  limited(retryAfterSeconds: number): Response;
}

const openaiErrors: PlannedErrors = {
  failed: () => buildError(500, 'The server had an error while processing your request. (planned)'),
  limited(seconds) {
    const headers = { 'retry-after': String(seconds) };
    return buildError(429, 'Rate limit reached (planned)', { type: 'requests', code: 'rate_limit_exceeded', headers });
  },
};

/** Writes a request down; returns what its account's plan has for it, null where that is nothing. */
function recordRequest(account: AccountState, kind: RequestKind, nowMs: number): Fault | null {
  const index = account.used[kind] ?? 0;
  account.used[kind] = index + 1;
  const fault = account.faults[kind]?.[index] ?? null;
  account.requests.push({ at: formatTime(nowMs), kind, fault: fault?.type ?? null });
  return fault;
}

/** Receives a request of a kind: writes it down, and carries it out, or not, and answers it as its planned fault says. */
export function receive(kind: RequestKind, errors: PlannedErrors = openaiErrors): MiddlewareHandler<SandboxEnv> {
  return async (context, next) => {
    const { service, account } = context.var;
    await context.req.arrayBuffer(); // nothing happens before the request has arrived as a whole
    const fault = recordRequest(account, kind, service.clock.nowMs());
    const isLost = fault?.type === 'drop-before' || fault?.type === '500-before' || fault?.type === '429' || fault?.type === 'html-before';
    if (fault?.type === 'late') await service.clock.wait(fault.ms);
    if (!isLost) await service.middleware(context, next);
    await applyFault(context, fault, errors);
    context.header('x-request-id', account.nextId('req_'));
  };
}

async function applyFault(context: SandboxContext, fault: Fault | null, errors: PlannedErrors): Promise<void> {
  switch (fault?.type) {
    case undefined:
    case 'ok':
      return;
    case 'drop-before':
    case 'drop-after':
      context.env.outgoing.destroy();
      return replaceAnswer(context, RESPONSE_ALREADY_SENT);
    case '500-before':
    case '500-after':
      return replaceAnswer(context, errors.failed());
    case '429':
      return replaceAnswer(context, errors.limited(fault.retryAfterSeconds ?? 1));
    case 'hang-after':
    case 'late':
      return replaceAnswer(context, RESPONSE_ALREADY_SENT);
    case 'html':
    case 'html-before':
      return replaceAnswer(context, new Response('<html><body>please log in</body></html>', { headers: { 'content-type': 'text/html' } }));
    case 'cut':
      return await cutAnswer(context);
    case 'early-end':
      return await endStreamEarly(context);
  }
}

function replaceAnswer(context: SandboxContext, answer: Response): void {
  context.res = undefined; // or hono would keep the headers
  context.res = answer;
}

/** Half of an answer, or of what a stream has when it begins, and then the end of the connection. */
async function cutAnswer(context: SandboxContext): Promise<void> {
  const { outgoing } = context.env;
  const bytes = await readFirstChunk(context.res);
  const length = isStream(context.res) ? {} : { 'content-length': String(bytes.length) };
  outgoing.writeHead(context.res.status, { ...Object.fromEntries(context.res.headers), ...length });
  outgoing.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => outgoing.destroy());
  replaceAnswer(context, RESPONSE_ALREADY_SENT);
}

/** Half of the events that a stream has when it begins. */
async function endStreamEarly(context: SandboxContext): Promise<void> {
  if (!isStream(context.res)) return;
  const bytes = await readFirstChunk(context.res);
  const end = bytes.lastIndexOf('\n\n', Math.floor(bytes.length / 2)) + 2;
  replaceAnswer(context, new Response(new Uint8Array(bytes.subarray(0, end)), { headers: context.res.headers }));
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type') === 'text/event-stream';
}

async function readFirstChunk({ body }: Response): Promise<Buffer> {
  const reader = body?.getReader();
  const chunk = await reader?.read();
  await reader?.cancel();
  return Buffer.from(chunk?.value ?? []);
}

export interface Problem {
  readonly message: string;
  /** The member that is wrong: `method.dpo.hyperparameters.beta`. */
  readonly param: string | null;
}

function refuseProblem({ message, param }: Problem): never {
  return refuse(400, message, { param });
}

/** The JSON body of a request. `refuseBody` ends the request where the body is another one. */
export async function readBody<T>(
  context: SandboxContext,
  schema: z.ZodType<T>,
  refuseBody: (problem: Problem) => never = refuseProblem,
): Promise<T> {
  return parseValue(await context.req.text(), schema, refuseBody);
}

export function parseValue<T>(text: string, schema: z.ZodType<T>, refuseBody: (problem: Problem) => never): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuseBody({ message: 'We could not parse the JSON body of your request: expected JSON.', param: null });
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? parsed.data : refuseBody(findProblem(parsed.error));
}

/** The fields and files of a multipart form. */
export async function readForm<T>(context: SandboxContext, schema: z.ZodType<T>): Promise<T> {
  const form = await context.req.parseBody().catch(() => refuse(400, 'We could not parse the multipart body of your request.'));
  const parsed = schema.safeParse(form);
  return parsed.success ? parsed.data : refuseProblem(findProblem(parsed.error));
}

function findProblem({ issues }: z.core.$ZodError): Problem {
  let issue = issues[0]!;
  const path = [...issue.path];
  // Of several ways that do not fit, the last one says most.
  while (issue.code === 'invalid_union' && issue.errors.at(-1)?.[0] !== undefined) {
    issue = issue.errors.at(-1)![0]!;
    path.push(...issue.path);
  }
  const stray = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = [...path, ...stray].join('.');
  if (stray.length > 0) return { message: `Unrecognized request argument supplied: ${param}`, param };
  return { message: `Invalid ${param === '' ? 'body' : `'${param}'`}: ${issue.message}.`, param: param === '' ? null : param };
}

interface PageOptions {
  /** Items of a page where the request does not say. */
  readonly usual: number;
  /** Names in the query beside those of every list; `name[]` for `name[key]`. */
  readonly query?: readonly string[];
}

/** The items after the one that the query names, and whether there are more. */
export function getPage<Item extends { readonly id: string }>(
  context: SandboxContext,
  items: readonly Item[],
  { usual, query: own = [] }: PageOptions,
): { data: readonly Item[]; has_more: boolean } {
  const query = context.req.query();
  const known = ['after', 'limit', 'api-version', ...own];
  const stray = Object.keys(query).find((name) => !known.includes(name.replace(/\[.*\]$/s, '[]')));
  if (stray !== undefined) refuse(400, `Unknown query parameter: '${stray}'.`, { param: stray, code: 'unknown_parameter' });
  const { after, limit: asked = String(usual) } = query;
  const limit = Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    refuse(400, `Invalid 'limit': expected an integer from 1 to 10000.`, { param: 'limit' });
  const begin = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && begin === 0) refuse(400, `Invalid 'after': the list has no item with this id.`, { param: 'after' });
  const end = begin + Math.min(limit, context.var.service.pageSize);
  return { data: items.slice(begin, end), has_more: end < items.length };
}

/** What the path has in the place of `:name`. */
export function getParam(context: SandboxContext, name: string): string {
  return context.req.param(name) ?? '';
}

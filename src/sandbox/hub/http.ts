import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { getParam, parseValue, readBody, receive, type PlannedErrors, type Problem } from '../http.ts';
import type { RequestKind } from '../faults.ts';
import type { SandboxContext } from '../service.ts';
import { findCommit, findReadableRepo, isOwnName, mainBranch } from './repos.ts';
import type { Commit, Repo } from './state.ts';

interface HubErrorDetails {
  /** `X-Error-Code`, where the Hub gives one. */
  readonly code?: string;
  /** Further members of the body. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error in the Hub's words. */
export function buildHubError(status: number, error: string, { code, more = {}, headers = {} }: HubErrorDetails = {}): Response {
  const shown = error.replaceAll(/[^\x20-\x7e]/g, '?'); // a header takes no other character
  const about = { 'x-error-message': shown, ...(code === undefined ? {} : { 'x-error-code': code }), ...headers };
  return Response.json({ error, ...more }, { status, headers: about });
}

/** Ends the handling of a request with an error of the Hub. */
export function refuseHub(status: ContentfulStatusCode, error: string, details: HubErrorDetails = {}): never {
  throw new HTTPException(status, { res: buildHubError(status, error, details) });
}

export function refuseInput({ message }: Pick<Problem, 'message'>): never {
  return refuseHub(400, 'Invalid input', { more: { message: `✖ ${message}` } });
}

const hubErrors: PlannedErrors = {
  failed: () => buildHubError(500, "Internal Error - We're working hard to fix this as soon as possible!"),
  limited(seconds) {
    const headers = { ratelimit: `"api";r=0;t=${seconds}`, 'ratelimit-policy': '"fixed window";"api";q=1000;w=300' };
    return buildHubError(429, 'Too Many Requests', { headers });
  },
};

export function receiveHub(kind: RequestKind): ReturnType<typeof receive> {
  return receive(kind, hubErrors);
}

export async function readHubBody<T>(context: SandboxContext, schema: z.ZodType<T>): Promise<T> {
  return await readBody(context, schema, refuseInput);
}

/** A body of one JSON value a line. */
export async function readHubLines<T>(context: SandboxContext, schema: z.ZodType<T>): Promise<T[]> {
  const lines = (await context.req.text()).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => parseValue(line, schema, refuseInput));
}

/** One page of a list; `Link` has the address of the next one. `getCursor`: what names an item; the next page begins behind it. */
export function answerPage<Item>(context: SandboxContext, items: readonly Item[], getCursor: (item: Item) => string): Response {
  const { service } = context.var;
  const { cursor, limit: asked } = context.req.query();
  const limit = Math.min(Number(asked ?? 1000) || 1000, service.pageSize);
  const begin = cursor === undefined ? 0 : items.findIndex((item) => getCursor(item) === cursor) + 1;
  if (cursor !== undefined && begin === 0) refuseHub(400, 'Invalid cursor');
  const page = items.slice(begin, begin + limit);
  const next = new URL(context.req.url);
  next.searchParams.set('cursor', page.length === 0 ? '' : getCursor(page.at(-1)!));
  if (begin + limit < items.length) context.header('link', `<${service.url}${next.pathname}${next.search}>; rel="next"`);
  return context.json(page);
}

/** The repository that the path names, where the account may read it. */
export function findRepo(context: SandboxContext): Repo {
  const { service, account, isAnonymous } = context.var;
  const type = /^\/(?:api\/)?datasets\//.test(context.req.path) ? 'dataset' : 'model';
  const name = `${getParam(context, 'ns')}/${getParam(context, 'name').replace(/\.git$/, '')}`;
  const repo = findReadableRepo(service, account, { type, name });
  return repo ?? refuseHub(isAnonymous ? 401 : 404, 'Repository not found', { code: 'RepoNotFound' });
}

/** The same where the account may write to it. */
export function findOwnRepo(context: SandboxContext): Repo {
  const repo = findRepo(context);
  if (!isOwnName(context.var.account, repo.name)) refuseHub(403, `You don't have write access to ${repo.name}`);
  return repo;
}

/** The commit that a revision, usually the one in the path, stands for. */
export function findRevision(context: SandboxContext, repo: Repo, revision = context.req.param('rev') ?? mainBranch): Commit {
  return findCommit(repo, revision) ?? refuseHub(404, `Invalid rev id: ${revision}`, { code: 'RevisionNotFound' });
}

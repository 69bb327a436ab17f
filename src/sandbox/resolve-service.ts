import type { IncomingHttpHeaders } from 'node:http';
import { refuse } from './answer.ts';
import { azureDialect } from './azure-dialect.ts';
import type { Dialect } from './dialect.ts';
import { openaiDialect } from './openai-dialect.ts';
import { azureRoutes, routes, type Route } from './routes.ts';

/** Which service an address belongs to. */
export interface ResolvedService {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  /** The path below the version. */
  readonly path: string;
}

/** Finds the service behind an address; refuses what no service answers to. */
export function resolveService({ pathname, searchParams }: URL): ResolvedService {
  const isVersioned = searchParams.has('api-version');
  const all = [...routes, ...azureRoutes];
  if (pathname.startsWith('/v1/')) return { dialect: openaiDialect, routes, path: pathname.slice('/v1'.length) };
  if (pathname.startsWith('/openai/v1/')) {
    if (isVersioned) refuse(400, 'API version not supported');
    return { dialect: azureDialect, routes: all, path: pathname.slice('/openai/v1'.length) };
  }
  if (!pathname.startsWith('/openai/') && !pathname.startsWith('/subscriptions/'))
    return refuse(404, `Unknown request URL: ${pathname}. Please check the URL for typos.`, { code: 'unknown_url' });
  if (!isVersioned) refuse(404, 'Resource not found: the query has no api-version.', { code: '404' });
  return { dialect: azureDialect, routes: all, path: pathname.replace(/^\/openai/, '') };
}

const keyPattern = /^sk-sandbox-[\w-]{1,100}$/;
const tokenPattern = /^hf_sandbox_[\w-]{1,100}$/;

/** Whether a text is a token of the Hub that the sandbox takes. */
export function isHubToken(text: string): boolean {
  return tokenPattern.test(text);
}

/** The account that a key, or a token of the Hub, opens: the same for both. */
export function toAccountName(key: string): string {
  return key.replace(/^(?:sk-sandbox-|hf_sandbox_)/, '');
}

/** The API key of a request. A key of another form is refused, so that a real one sent here by mistake is noticed. */
export function readKey(headers: IncomingHttpHeaders, dialect: Dialect['id'] | null): string {
  const apiKey = dialect === 'azure' ? headers['api-key'] : undefined;
  const key = typeof apiKey === 'string' ? apiKey : /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1];
  if (key === undefined || key === '') {
    const message = "You didn't provide an API key. The sandbox takes keys of the form sk-sandbox-NAME, each of them an account.";
    return refuse(401, message, { code: 'missing_api_key' });
  }
  if (dialect === null && isHubToken(key)) return key;
  if (!keyPattern.test(key))
    return refuse(401, 'Incorrect API key provided. The sandbox takes keys of the form sk-sandbox-NAME.', { code: 'invalid_api_key' });
  return key;
}

import type { Dispatcher } from 'undici';
import { Failure } from '../../errors.ts';

/** What is below `fetch`: it opens connections, keeps them for the next request, and goes through proxies. */
export type Agent = Dispatcher;

const connectMs = 10_000;

/**
 * A pool of connections that goes through the proxies of an environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, in capitals or not). It
 * limits the time of connecting only; `createFetch` limits the time of the whole call.
 * @throws Failure `request-unsent` for the address of a proxy that cannot be used
 */
export async function openAgent(environment: NodeJS.ProcessEnv): Promise<Agent> {
  const { EnvHttpProxyAgent } = await import('undici'); // most commands send nothing and start sooner without it
  const get = (name: string): string => environment[name.toLowerCase()] || environment[name] || '';
  try {
    return new EnvHttpProxyAgent({
      httpProxy: get('HTTP_PROXY'),
      httpsProxy: get('HTTPS_PROXY'),
      noProxy: get('NO_PROXY'),
      connect: { timeout: connectMs },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  } catch {
    // Neither the address nor the error is shown: the address of a proxy may hold a password.
    throw new Failure(
      'request-unsent',
      'expected an address such as http://proxy.example:3128 in HTTP_PROXY and HTTPS_PROXY; nothing was sent',
      {
        hint: 'correct the variable, or unset it to go without a proxy',
      },
    );
  }
}

let shared: Promise<Agent> | null = null;

/** The agent of this process, made with its first request. */
export async function openSharedAgent(): Promise<Agent> {
  shared ??= openAgent(process.env);
  return await shared;
}

/**
 * The same agent for one request. The standard lets `fetch` send a request again, by itself, after an answer of status 421 (Fetch,
 * "HTTP-network-or-cache fetch"); a request that may cost money must be sent once.
 */
export function sendOnce(agent: Agent, what: string): Agent {
  let isSent = false;
  return agent.compose((dispatch) => (options, handler) => {
    if (isSent)
      throw new Failure('response-invalid', `${what}: the service answered with an error (421): another server is responsible`, {
        status: 421,
      });
    isSent = true;
    return dispatch(options, handler);
  });
}

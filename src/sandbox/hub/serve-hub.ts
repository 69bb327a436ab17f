import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { toRefusalAnswer, type Answer } from '../answer.ts';
import { isHubToken } from '../resolve-service.ts';
import { answerWithFault, send, type Fault } from '../faults.ts';
import { noteRequest } from '../record-request.ts';
import type { Service } from '../service.ts';
import { loadValidator } from '../validator.ts';
import type { HubCall, HubRoute } from './hub-call.ts';
import { hubErrors, refuseHub, toHubError } from './hub-error.ts';
import { findHubJob } from './hub-jobs.ts';
import { findHubRoute } from './hub-routes.ts';
import { streamLogs } from './stream-logs.ts';

export { isHubPath } from './hub-routes.ts';

/** Answers one request to the Hub. */
export async function serveHub(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [body, validator] = await Promise.all([buffer(request), loadValidator()]);
  try {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', service.url);
    const { method = 'GET', headers } = request;
    const found = findHubRoute(method, pathname);
    if (found === null) return send(response, toHubError(404, "Sorry, we can't find the page you are looking for."));
    const { route, params } = found;
    const token = readToken(request, route);
    const account = service.findAccount(token ?? anonymous);
    const nowMs = service.clock.nowMs();
    const fault = noteRequest(account, route.kind, nowMs);
    response.setHeader('x-request-id', account.nextId('Root=1-'));
    const isAnonymous = token === null;
    const call: HubCall = { service, account, isAnonymous, nowMs, method, requestPath: pathname, params, query, headers, body, validator };
    await answer(call, route, { response, fault });
  } catch (error) {
    send(response, toRefusalAnswer(error) ?? toHubError(500, `A fault of the sandbox: ${String(error)}`));
  }
}

/** Who shows no token is this account, which has nothing. */
const anonymous = 'hf_sandbox_anonymous';

/** The token of a request; null where it shows none and needs none. Tokens of another form are refused, so that real ones are noticed. */
function readToken({ headers }: IncomingMessage, { isPublic = false }: HubRoute): string | null {
  const token = /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1];
  if (token === undefined && isPublic) return null;
  if (token !== undefined && isHubToken(token)) return token;
  return refuseHub(401, 'Invalid username or password. The sandbox takes tokens of the form hf_sandbox_NAME.');
}

interface Reply {
  readonly response: ServerResponse;
  readonly fault: Fault | null;
}

async function answer(call: HubCall, route: HubRoute, { response, fault }: Reply): Promise<void> {
  const isStreamed = route.kind === 'job-logs' && [undefined, 'ok', 'cut', 'early-end'].includes(fault?.type);
  if (isStreamed) return await streamLogs(call, await findHubJob(call), { response, fault });
  const commit = async (): Promise<Answer> => {
    try {
      // What happens late happens at its own time.
      return await route.handle({ ...call, nowMs: call.service.clock.nowMs() });
    } catch (error) {
      const refusal = toRefusalAnswer(error);
      if (refusal !== null) return refusal;
      call.account.violations.push(`${route.kind}: ${String(error)}`);
      return toHubError(500, `A fault of the sandbox: ${String(error)}`);
    }
  };
  await answerWithFault({ fault, commit, clock: call.service.clock, errors: hubErrors }, response);
}

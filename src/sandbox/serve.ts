import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuse, toFaultAnswer, toRefusalAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { answerControl } from './control.ts';
import { resolveService, readKey } from './resolve-service.ts';
import { answerWithFault, send } from './faults.ts';
import { handleCall } from './handle-call.ts';
import { isHubPath, serveHub } from './hub/serve-hub.ts';
import { noteRequest } from './record-request.ts';
import { readBody, type Body } from './read-body.ts';
import { findRoute } from './routes.ts';
import { loadValidator, type Validator } from './validator.ts';
import type { Service } from './service.ts';

/** Answers one request. */
export async function serve(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { pathname } = new URL(request.url ?? '/', service.url);
    if (isHubPath(pathname)) return await serveHub(service, request, response);
    const [body, validator] = await Promise.all([readBody(request), loadValidator()]);
    await answer({ service, request, body, validator }, response);
  } catch (error) {
    send(response, toRefusalAnswer(error) ?? toFaultAnswer(error));
  }
}

interface Asked {
  readonly service: Service;
  readonly request: IncomingMessage;
  readonly body: Body;
  readonly validator: Validator;
}

async function answer({ service, request, body, validator }: Asked, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sandbox');
  const method = request.method ?? 'GET';
  if (url.pathname.startsWith('/sandbox/')) {
    const account = service.findAccount(readKey(request.headers, null));
    return send(response, answerControl({ service, account, route: `${method} ${url.pathname}`, body: body.json, validator }));
  }
  const { dialect, routes, path } = resolveService(url);
  const account = service.findAccount(readKey(request.headers, dialect.id));
  const found = findRoute(routes, method, path);
  if (found === null) return refuse(404, `Invalid URL (${method} ${url.pathname})`, { code: 'unknown_url' });
  const { route, params } = found;
  const { clock, pageSize } = service;
  const fault = noteRequest(account, route.kind, clock.nowMs());
  response.setHeader('x-request-id', account.nextId('req_'));
  const commit = (): Answer => {
    const call: Call = {
      account,
      dialect,
      clock,
      pageSize,
      params,
      nowMs: clock.nowMs(),
      query: url.searchParams,
      body: body.json,
      form: body.form ?? null,
    };
    return handleCall(call, { route, body, validator });
  };
  await answerWithFault({ fault, commit, clock }, response);
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuse, toFaultAnswer, toRefusalAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { answerControl } from './control.ts';
import { findDoor, readKey } from './door.ts';
import { answerWithFault, send, type Fault, type RequestKind } from './faults.ts';
import { handleCall } from './handle-call.ts';
import { readBody, type Body } from './read-body.ts';
import { findRoute } from './routes.ts';
import { loadValidator, type Validator } from './validator.ts';
import type { Service } from './service.ts';
import type { World } from './world.ts';

/** Answers one request. */
export async function serve(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [body, validator] = await Promise.all([readBody(request), loadValidator()]);
  try {
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
    const world = service.findWorld(readKey(request.headers, null));
    return send(response, answerControl({ service, world, route: `${method} ${url.pathname}`, body: body.json, validator }));
  }
  const { dialect, routes, path } = findDoor(url);
  const world = service.findWorld(readKey(request.headers, dialect.id));
  const found = findRoute(routes, method, path);
  if (found === null) return refuse(404, `Invalid URL (${method} ${url.pathname})`, { code: 'unknown_url' });
  const { route, params } = found;
  const fault = takeFault(world, route.kind);
  const { clock, pageSize } = service;
  world.requests.push({ at: new Date(clock.nowMs()).toISOString(), kind: route.kind, fault: fault?.type ?? null });
  response.setHeader('x-request-id', world.nextId('req_'));
  const commit = (): Answer => {
    const call: Call = {
      world,
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

function takeFault(world: World, kind: RequestKind): Fault | null {
  const index = world.used[kind] ?? 0;
  world.used[kind] = index + 1;
  return world.faults[kind]?.[index] ?? null;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../errors.ts';
import { createRedactor, type Secret } from '../lib/redact.ts';
import { openSharedAgent, sendOnce, type Agent } from './http/agent.ts';
import { checkAddress, toForeignHeaders } from './http/credentials.ts';
import { toHttpFailure } from './http/failure.ts';
import { limitBody, readWhole, startDeadline } from './http/limits.ts';
import { countUploadBytes, encodeForm } from './http/upload.ts';
import { getPauseMs, parseRetryAfter, retry } from './retry.ts';

export { createRedactor, Secret } from '../lib/redact.ts';
export type { Agent } from './http/agent.ts';
export { isRefusedWith, toAnswerFailure, toHttpFailure, toSendOutcome, type RequestInfo } from './http/failure.ts';

export type Fetch = typeof globalThis.fetch;

export interface FetchOptions {
  /** The one origin that credentials may be sent to, such as `https://api.example`. Without it they may be sent nowhere. */
  readonly origin?: string;
  /** Masked in every failure, and bound to the origin wherever they stand in an address or a header. */
  readonly secrets?: readonly Secret[];
  /** For the whole call: all tries, the pauses between them, and the body. 60 s when absent. */
  readonly deadlineMs?: number;
  /** How slow an upload may be: the deadline grows by the size of what is sent divided by this. 256 KiB when absent. */
  readonly uploadBytesPerSecond?: number;
  /** Largest body of an answer, unpacked. 8 MiB when absent. */
  readonly maxBodyBytes?: number;
  /**
   * `whole` (also when absent): the answer comes once its body is there, and a read whose body broke off is tried again.
   * `stream`: the body comes as it arrives, for downloads; the reader deals with a body that breaks off.
   */
  readonly body?: 'whole' | 'stream';
  /** What comes of a redirect of something else than a read: a failure (also when absent), or the answer itself, for its caller to judge. */
  readonly redirect?: 'refuse' | 'answer';
  /** Opens the connections; absent: the agent of the process, which goes through the proxies of its environment. */
  readonly agent?: Agent;
  readonly now?: () => Date;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal | null) => Promise<void>;
}

type Settings = Required<Omit<FetchOptions, 'origin' | 'agent'>> &
  Pick<FetchOptions, 'agent'> & { readonly origin: string | null; readonly redact: (text: string) => string };

interface Call {
  readonly request: Request;
  readonly agent: Agent;
  readonly signal: AbortSignal | null;
  readonly isRead: boolean;
  readonly deadlineMs: number;
  /** `GET https://…`, for messages. */
  readonly what: string;
}

const mostTries = 4;
const mostHops = 5;

/**
 * The one way to the network, with the signature of `fetch`, so that SDKs can use it. As with `fetch`, an answer of any status
 * resolves; everything else rejects with a Failure, or with the reason of the caller's own signal. Reads (GET, HEAD) are tried again
 * and follow redirects. Everything else is sent exactly once and follows none.
 */
export function createFetch(options: FetchOptions = {}): Fetch {
  const settings: Settings = {
    origin: null,
    secrets: [],
    deadlineMs: 60_000,
    uploadBytesPerSecond: 256 * 1024,
    maxBodyBytes: 8 * 1024 * 1024,
    body: 'whole',
    redirect: 'refuse',
    now: () => new Date(),
    random: () => Math.random(),
    wait: async (ms, signal) => await sleep(ms, undefined, signal === null ? {} : { signal }),
    ...options,
    redact: createRedactor(options.secrets ?? []),
  };
  return async (input, init = {}) => {
    // The first request loads the agent, which is not part of its time.
    const call: Call = { ...buildCall(input, init, settings), agent: settings.agent ?? (await openSharedAgent()) };
    return call.isRead ? await readPatiently(call, settings) : await attempt(call, settings, call.deadlineMs);
  };
}

/** @throws Failure `request-unsent` */
function buildCall(input: Parameters<Fetch>[0], init: RequestInit, settings: Settings): Omit<Call, 'agent'> {
  const { signal, ...rest } = init; // a Request would hold on to the signal for as long as it lives
  const body = rest.body instanceof FormData ? encodeForm(rest.body) : (rest.body ?? null);
  const request = buildRequest(input, { ...rest, ...(body === null ? {} : { body }), redirect: 'manual' });
  checkAddress(request, settings);
  const { origin, pathname } = new URL(request.url);
  const uploadMs = (countUploadBytes(body, request.headers) / settings.uploadBytesPerSecond) * 1000;
  return {
    request,
    signal: signal === undefined && input instanceof Request ? input.signal : (signal ?? null),
    isRead: request.method === 'GET' || request.method === 'HEAD',
    deadlineMs: settings.deadlineMs + uploadMs,
    what: settings.redact(`${request.method} ${origin}${pathname}`), // without the query, which may hold signatures
  };
}

function buildRequest(input: Parameters<Fetch>[0], init: RequestInit): Request {
  try {
    return new Request(input, init);
  } catch {
    // The error of fetch repeats the address and the headers, with the credentials in them.
    throw new Failure(
      'request-unsent',
      'expected an address without a password, and headers and a body that HTTP allows; nothing was sent',
      { hint: 'check the address of the service, and the credential for line breaks' },
    );
  }
}

/** Tries a read up to four times, as long as the remaining time allows the pause. The last answer or error is the result. */
async function readPatiently(call: Call, settings: Settings): Promise<Response> {
  let leftMs = call.deadlineMs;
  let last: { readonly answer: Response; readonly failure: Failure } | null = null;
  const tryOnce = async (): Promise<Response> => {
    await last?.answer.body?.cancel();
    last = null;
    const startedAt = performance.now();
    const answer = await attempt(call, settings, leftMs).finally(() => void (leftMs -= performance.now() - startedAt));
    if (answer.status !== 408 && answer.status !== 429 && answer.status < 500) return answer;
    const retryAfterMs = parseRetryAfter(answer.headers, settings.now());
    const details = retryAfterMs === null ? {} : { retryAfterMs };
    last = { answer, failure: new Failure('service-unavailable', `${call.what}: found ${answer.status}`, details) };
    throw last.failure;
  };
  const wait = async (ms: number): Promise<void> => {
    await settings.wait(ms, call.signal);
    leftMs -= ms;
  };
  const getPause = (error: unknown, tries: number): number | null => {
    const pauseMs = getPauseMs(error, tries, settings.random());
    return pauseMs !== null && pauseMs < leftMs ? pauseMs : null;
  };
  return await retry(tryOnce, { signal: call.signal, wait }, { tries: mostTries, getPauseMs: getPause }).catch((error: unknown) => {
    if (last !== null && error === last.failure) return last.answer;
    throw error;
  });
}

async function attempt(call: Call, settings: Settings, ms: number): Promise<Response> {
  const { what } = call;
  const { signal, end } = startDeadline(call.signal, { ms, what });
  const explain = (error: unknown): unknown => {
    end();
    return signal.aborted ? signal.reason : toHttpFailure(error, { what, redact: settings.redact });
  };
  try {
    const answer = await send(call, signal, settings);
    if (answer.body === null) {
      end();
      return answer;
    }
    const body = limitBody(answer.body, { maxBytes: settings.maxBodyBytes, what, explain, end });
    return withBody(answer, settings.body === 'stream' ? body : await readWhole(body));
  } catch (error) {
    throw explain(error);
  }
}

async function send({ request, agent, isRead, what }: Call, signal: AbortSignal, { redirect }: Settings): Promise<Response> {
  if (!isRead) {
    const answer = await fetchWith(sendOnce(agent, what), request, { signal });
    if (redirect === 'answer' || getLocation(answer) === null) return answer;
    await answer.body?.cancel();
    throw new Failure('response-invalid', `${what}: expected no redirect, found ${answer.status}; only reads follow one`);
  }
  const { method } = request;
  let { url, headers } = request;
  for (let hops = 0; ; hops++) {
    const answer = await fetchWith(agent, url, { method, headers, signal });
    const location = getLocation(answer);
    if (location === null) return answer;
    await answer.body?.cancel();
    if (hops === mostHops) throw new Failure('response-invalid', `${what}: expected at most ${mostHops} redirects, found more`);
    const next = URL.parse(location, url);
    const isDowngrade = next?.protocol === 'http:' && url.startsWith('https:');
    if (next === null || isDowngrade || !/^https?:$/.test(next.protocol) || next.username !== '' || next.password !== '') {
      const found = isDowngrade ? 'from https: to http:' : 'to something else';
      throw new Failure('response-invalid', `${what}: expected a redirect to a safe address, found one ${found}`);
    }
    if (next.origin !== new URL(url).origin) headers = toForeignHeaders(headers);
    url = next.href;
  }
}

/** Node's own `fetch` with an agent of the package `undici`, whose types are of another copy. */
async function fetchWith(agent: Agent, input: string | Request, init: RequestInit): Promise<Response> {
  return await globalThis.fetch(input, {
    ...init,
    redirect: 'manual',
    dispatcher: agent as unknown as NonNullable<RequestInit['dispatcher']>,
  });
}

function getLocation({ status, headers }: Response): string | null {
  return [301, 302, 303, 307, 308].includes(status) ? headers.get('location') : null;
}

/** The same answer with another body. */
function withBody(answer: Response, body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>): Response {
  const { status, statusText, headers, url } = answer;
  const response = new Response(body, { status, statusText, headers });
  return Object.defineProperty(response, 'url', { value: url });
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, failureKinds, isFailure } from '../errors.ts';
import { checkAddress, toForeignHeaders } from './http/credentials.ts';
import { startDeadline } from './http/deadline.ts';
import { parseRateLimit, type RateLimit } from './http/rate-limit.ts';
import { readWhole, toGuardedBody } from './http/read-body.ts';
import { createRedactor, type Secret } from '../lib/redact.ts';
import { parseRetryAfter, toPauseMs } from './http/retry-after.ts';
import { createSendOnce } from './http/send-once.ts';
import { toHttpFailure } from './http/send-outcome.ts';
import { toUploadBytes } from './http/upload-size.ts';

export { useEnvironmentProxy } from './http/proxy.ts';
export type { RateLimit } from './http/rate-limit.ts';
export { createRedactor, Secret } from '../lib/redact.ts';
export { toRequestDeadline } from './http/request-deadline.ts';
export { requestJson, type JsonAnswer } from './http/request-json.ts';
export { toHttpFailure, toSendOutcome } from './http/send-outcome.ts';

export type Fetch = typeof globalThis.fetch;

export interface FetchOptions {
  /** The one origin that credentials may be sent to, such as `https://api.example`. Without it none may be sent. */
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
   * `stream`: the body comes as it arrives, for downloads; a body that breaks off is the reader's.
   */
  readonly body?: 'whole' | 'stream';
  /** Told with every answer that speaks of an allowance. */
  readonly onRateLimit?: (limit: RateLimit) => void;
  /** What sends; Node's own when absent. */
  readonly fetch?: Fetch;
  readonly now?: () => Date;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal | null) => Promise<void>;
}

type Settings = Required<Omit<FetchOptions, 'origin'>> & { readonly origin: string | null; readonly redact: (text: string) => string };

interface Call {
  readonly request: Request;
  readonly signal: AbortSignal | null;
  readonly isRead: boolean;
  readonly deadlineMs: number;
  /** `GET https://…`, for messages. */
  readonly what: string;
}

const mostTries = 4;
const mostHops = 5;

/**
 * The one way to the network, with the signature of `fetch`, so that SDKs can be given it. As with `fetch`, an answer of any status
 * resolves; everything else rejects with a Failure, or with the reason of the caller's own signal. Reads (GET, HEAD) are tried again
 * and follow redirects. Everything else is sent exactly once and follows none.
 */
export function createFetch(options: FetchOptions = {}): Fetch {
  const settings = toSettings(options);
  return async (input, init = {}) => {
    const call = toCall(input, init, settings);
    return call.isRead ? await readPatiently(call, settings) : await attempt(call, settings, call.deadlineMs);
  };
}

function toSettings(options: FetchOptions): Settings {
  return {
    origin: null,
    secrets: [],
    deadlineMs: 60_000,
    uploadBytesPerSecond: 256 * 1024,
    maxBodyBytes: 8 * 1024 * 1024,
    body: 'whole',
    onRateLimit: () => {},
    fetch: async (input, init) => await globalThis.fetch(input, init),
    now: () => new Date(),
    random: () => Math.random(),
    wait: async (ms, signal) => await sleep(ms, undefined, signal === null ? {} : { signal }),
    ...options,
    redact: createRedactor(options.secrets ?? []),
  };
}

function toCall(input: Parameters<Fetch>[0], init: RequestInit, settings: Settings): Call {
  const { signal, ...rest } = init; // a Request would hold on to the signal for as long as it lives
  const request = toRequest(input, { ...rest, redirect: 'manual' });
  checkAddress(request, settings);
  const { origin, pathname } = new URL(request.url);
  const uploadMs = (toUploadBytes(rest.body, request.headers) / settings.uploadBytesPerSecond) * 1000;
  return {
    request,
    signal: signal === undefined && input instanceof Request ? input.signal : (signal ?? null),
    isRead: request.method === 'GET' || request.method === 'HEAD',
    deadlineMs: settings.deadlineMs + uploadMs,
    what: settings.redact(`${request.method} ${origin}${pathname}`), // without the query, which may hold signatures
  };
}

function toRequest(input: Parameters<Fetch>[0], init: RequestInit): Request {
  try {
    return new Request(input, init);
  } catch {
    // Its message repeats the address and the headers, with the credentials in them.
    throw new Failure(
      'request-unsent',
      'expected an address without a password, and headers and a body that HTTP allows; nothing was sent',
      {
        hint: 'check the address of the service, and the credential for line breaks',
      },
    );
  }
}

/** Tries a read up to four times, as long as the time that is left allows the pause. */
async function readPatiently(call: Call, settings: Settings): Promise<Response> {
  let leftMs = call.deadlineMs;
  for (let tries = 1; ; tries++) {
    const startedAt = performance.now();
    const end = await attempt(call, settings, leftMs).catch((error: unknown) => ({ error }));
    leftMs -= performance.now() - startedAt;
    const askedMs = end instanceof Response ? parseRetryAfter(end.headers, settings.now()) : null;
    const pauseMs = askedMs ?? toPauseMs(tries, settings.random());
    if (!isWorthAnotherTry(end) || tries === mostTries || pauseMs >= leftMs) {
      if (end instanceof Response) return end;
      throw end.error;
    }
    if (end instanceof Response) await end.body?.cancel();
    await settings.wait(pauseMs, call.signal).finally(() => call.signal?.throwIfAborted());
    leftMs -= pauseMs;
  }
}

function isWorthAnotherTry(end: Response | { readonly error: unknown }): boolean {
  if (!(end instanceof Response)) return isFailure(end.error) && failureKinds[end.error.code].retryable;
  return end.status === 408 || end.status === 429 || end.status >= 500;
}

async function attempt(call: Call, settings: Settings, ms: number): Promise<Response> {
  const { what } = call;
  const { signal, end } = startDeadline(call.signal, { ms, what });
  const explain = (error: unknown): unknown => {
    end();
    return signal.aborted ? signal.reason : toHttpFailure(error, { what, redact: settings.redact });
  };
  try {
    const answer = await send(call, settings, signal);
    const limit = parseRateLimit(answer.headers, settings.now());
    if (limit !== null) settings.onRateLimit(limit);
    if (answer.body === null) {
      end();
      return answer;
    }
    const body = toGuardedBody(answer.body, { maxBytes: settings.maxBodyBytes, what, explain, end });
    return toResponse(answer, settings.body === 'stream' ? body : await readWhole(body));
  } catch (error) {
    throw explain(error);
  }
}

async function send({ request, isRead, what }: Call, settings: Settings, signal: AbortSignal): Promise<Response> {
  const { fetch } = settings;
  if (!isRead) {
    const answer = await fetch(request, { signal, redirect: 'manual', dispatcher: createSendOnce(what) });
    if (toLocation(answer) === null) return answer;
    await answer.body?.cancel();
    throw new Failure('response-invalid', `${what}: expected no redirect, found ${answer.status}; only reads follow one`);
  }
  const { method } = request;
  let { url, headers } = request;
  for (let hops = 0; ; hops++) {
    const answer = await fetch(url, { method, headers, signal, redirect: 'manual' });
    const location = toLocation(answer);
    if (location === null) return answer;
    await answer.body?.cancel();
    if (hops === mostHops) throw new Failure('response-invalid', `${what}: expected at most ${mostHops} redirects, found more`);
    const next = URL.parse(location, url);
    const isDowngrade = next?.protocol === 'http:' && url.startsWith('https:');
    if (next === null || isDowngrade || !/^https?:$/.test(next.protocol) || next.username !== '' || next.password !== '') {
      const found = isDowngrade ? 'from https: to http:' : 'to an address that is none';
      throw new Failure('response-invalid', `${what}: expected a redirect to a safe address, found one ${found}`);
    }
    if (next.origin !== new URL(url).origin) headers = toForeignHeaders(headers);
    url = next.href;
  }
}

function toLocation({ status, headers }: Response): string | null {
  return [301, 302, 303, 307, 308].includes(status) ? headers.get('location') : null;
}

/** The same answer with another body. */
function toResponse(answer: Response, body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>): Response {
  const { status, statusText, headers, url } = answer;
  const response = new Response(body, { status, statusText, headers });
  return Object.defineProperty(response, 'url', { value: url });
}

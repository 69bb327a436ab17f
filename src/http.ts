import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from './failure.ts';
import { checkAddress, toForeignHeaders } from './http/credentials.ts';
import { startDeadline, type Deadline } from './http/deadline.ts';
import { parseRateLimit, type RateLimit } from './http/rate-limit.ts';
import { readWhole, toGuardedBody } from './http/read-body.ts';
import { createRedactor, type Secret } from './http/redact.ts';
import { parseRetryAfter, toPauseMs } from './http/retry-after.ts';
import { isPassing, toHttpFailure, type Telling } from './http/send-outcome.ts';
import { toUploadBytes } from './http/upload-size.ts';

export { useEnvironmentProxy } from './http/proxy.ts';
export type { RateLimit } from './http/rate-limit.ts';
export { createRedactor, Secret } from './http/redact.ts';
export { requestJson, type JsonAnswer } from './http/request-json.ts';
export { toHttpFailure, toSendOutcome, type SendOutcome } from './http/send-outcome.ts';

export type Fetch = typeof globalThis.fetch;

export interface FetchOptions {
  /** The one origin that credentials may be sent to, such as `https://api.example`. Without it none may be sent. */
  readonly origin?: string;
  /** Masked in every failure, and bound to the origin wherever they stand in a request. */
  readonly secrets?: readonly Secret[];
  /** For the whole call: all tries, the pauses between them and the body. */
  readonly deadlineMs?: number;
  /** How slow an upload may be: the deadline grows by the size of the body divided by this. */
  readonly uploadBytesPerSecond?: number;
  /** Largest body of an answer, unpacked. */
  readonly maxBodyBytes?: number;
  /** `whole`: the answer comes when its body is there, and a read whose body broke is tried again. `stream`: the body comes as it arrives. */
  readonly body?: 'whole' | 'stream';
  /** Told with every answer that speaks of an allowance. */
  readonly onRateLimit?: (limit: RateLimit) => void;
  readonly fetch?: Fetch;
  readonly now?: () => Date;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly wait?: (ms: number, signal: AbortSignal | null) => Promise<void>;
}

const mostTries = 4;
const mostHops = 5;

const defaults = {
  origin: null,
  secrets: [],
  deadlineMs: 60_000,
  uploadBytesPerSecond: 256 * 1024,
  maxBodyBytes: 8 * 1024 * 1024,
  body: 'whole',
  onRateLimit: () => {},
  fetch: (input, init) => globalThis.fetch(input, init),
  now: () => new Date(),
  random: () => Math.random(),
  wait: async (ms, signal) => await sleep(ms, undefined, signal === null ? {} : { signal }),
} as const satisfies Partial<Record<keyof FetchOptions, unknown>> & FetchDefaults;

type FetchDefaults = Omit<FetchOptions, 'origin'> & { readonly origin: null };
type Settings = Required<Omit<FetchOptions, 'origin'>> & { readonly origin: string | null; readonly redact: (text: string) => string };

interface Call {
  readonly request: Request;
  readonly signal: AbortSignal | null;
  readonly isRead: boolean;
  readonly deadlineMs: number;
  readonly telling: Telling;
}

/**
 * The one way to the network, with the signature of `fetch`, so that SDKs can be given it. Answers of every status resolve, as with
 * `fetch`; everything else rejects with a Failure, or with the reason of the caller's own signal. Reads (GET, HEAD) are tried again
 * and follow redirects. Everything else is sent exactly once and follows none.
 */
export function createFetch(options: FetchOptions = {}): Fetch {
  const settings: Settings = { ...defaults, ...options, redact: createRedactor(options.secrets ?? []) };
  return async (input, init) => {
    const call = toCall(input, init ?? {}, settings);
    call.signal?.throwIfAborted();
    return call.isRead ? await read(call, settings) : await attempt(call, settings, call.deadlineMs);
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
    // The query is left out: it may hold signatures.
    telling: { what: `${request.method} ${origin}${pathname}`, redact: settings.redact, now: settings.now() },
  };
}

function toRequest(input: Parameters<Fetch>[0], init: RequestInit): Request {
  try {
    return new Request(input, init);
  } catch {
    // The error repeats the address and headers, with the credentials in them.
    throw new Failure('request-unsent', 'expected an address without a password, headers and a body that HTTP allows; nothing was sent', {
      hint: 'check the address of the service, and the credential for line breaks',
    });
  }
}

/** Tries a read up to four times, as long as what is left of its time allows the pause. */
async function read(call: Call, settings: Settings): Promise<Response> {
  let leftMs = call.deadlineMs;
  for (let tries = 1; ; tries++) {
    const startedAt = performance.now();
    const { response, failure } = await attempt(call, settings, leftMs).then(
      (answer) => ({ response: answer, failure: null }),
      (error: unknown) => ({ response: null, failure: error }),
    );
    leftMs -= performance.now() - startedAt;
    const isOver = response === null ? !(failure instanceof Failure && isPassing(failure)) : !isPassingStatus(response.status);
    const askedMs = response === null ? null : parseRetryAfter(response.headers, settings.now());
    const pauseMs = askedMs ?? toPauseMs(tries, settings.random());
    if (isOver || tries === mostTries || pauseMs >= leftMs) {
      if (response !== null) return response;
      throw failure;
    }
    await response?.body?.cancel();
    await settings.wait(pauseMs, call.signal);
    leftMs -= pauseMs;
  }
}

function isPassingStatus(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

async function attempt(call: Call, settings: Settings, ms: number): Promise<Response> {
  const { telling } = call;
  const deadline = startDeadline(call.signal, { ms, what: telling.what });
  const explain = (error: unknown): unknown => {
    deadline.end();
    return deadline.signal.aborted ? deadline.signal.reason : toHttpFailure(error, telling);
  };
  try {
    const response = await send(call, settings, deadline.signal);
    const limit = parseRateLimit(response.headers, settings.now());
    if (limit !== null) settings.onRateLimit(limit);
    if (response.status < 200 || response.status > 599) {
      throw new Failure('response-invalid', `${telling.what}: expected a status of HTTP, found ${response.status}`);
    }
    const limits = { maxBytes: settings.maxBodyBytes, what: telling.what };
    const body = response.body === null ? null : toGuardedBody(response.body, { ...limits, explain, end: deadline.end });
    return 0 as never;
  } catch (error) {
    throw explain(error);
  }
}

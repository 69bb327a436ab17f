import type { Sent } from '../../provider/submit-failure.ts';
import { Failure, isFailure, toFailureData, toSystemCode, type FailureCode } from '../../errors.ts';
import { isObject, parseJsonOr } from '../../lib/json.ts';
import { createRedactor } from '../../lib/redact.ts';
import { parseRetryAfter } from '../retry.ts';

/** What is known of a call that may cost and has failed: whether it was sent, and why it failed. Made for `SubmitFailure`. */
export interface SendOutcome {
  readonly sent: Sent;
  readonly failure: Failure;
}

/** An answer that is no success, with its body: the text, or the value that JSON makes of it. */
export interface FailedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** What a failure says about its request. */
export interface RequestInfo {
  /** `POST https://…`, without credentials. */
  readonly what: string;
  readonly redact: (text: string) => string;
  readonly now: Date;
  /** Statuses that are definite refusals at this service, in its own words, beside those that are refusals everywhere. */
  readonly refusals?: readonly number[];
}

/**
 * The one table of what is known about a request that failed. A code that is not in it is `unknown`: the request may have been
 * carried out. The failure must be that of one request only: after a second one these words would be wrong for the first.
 */
const sentByCode: Readonly<Partial<Record<FailureCode, Sent>>> = {
  'request-unsent': 'no',
  'service-unreachable': 'no',
  'certificate-invalid': 'no',
  'credentials-invalid': 'refused',
  'request-refused': 'refused',
  'quota-exhausted': 'refused',
  'rate-limited': 'limited',
};

/** Whether a call that threw `thrown` was sent; `thrown` may be wrapped, or made by an SDK from the answer. */
export function toSendOutcome(thrown: unknown, info?: Partial<RequestInfo>): SendOutcome {
  const failure = toHttpFailure(thrown, info);
  return { sent: sentByCode[failure.code] ?? 'unknown', failure };
}

/** Whether a service has refused a request, in its own words, with one of these HTTP statuses. */
export function isRefusedWith(error: unknown, ...statuses: readonly number[]): error is Failure {
  return isFailure(error) && sentByCode[error.code] === 'refused' && error.status !== null && statuses.includes(error.status);
}

const redactShapes = createRedactor([]);

/** Whatever a request threw as a Failure: our own, an SDK's error with the service's answer in it, or the network's. */
export function toHttpFailure(thrown: unknown, given: Partial<RequestInfo> = {}): Failure {
  const info = { what: 'the request', redact: redactShapes, now: new Date(), ...given };
  const chain = toChain(thrown);
  for (const error of chain) {
    if (isFailure(error)) return error;
    const answer = toAnswer(error);
    if (answer !== null) return toAnswerFailure(answer, info);
    const failure = toTransportFailure(error, info);
    if (failure !== null) return failure;
  }
  const isOfFetch = chain.some((error) => error instanceof TypeError && /^(fetch failed|terminated)$/.test(error.message));
  const message = toFailureData(chain.at(-1)).message;
  return new Failure(isOfFetch ? 'service-unavailable' : 'unexpected', info.redact(`${info.what}: ${message}`));
}

/** An error and what caused it, outermost first. */
function toChain(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let next = error; next != null && !chain.includes(next); next = next instanceof Error ? next.cause : null) chain.push(next);
  return chain;
}

/**
 * The answer inside an error of the SDKs `openai` (`status`, and in `error` that of the body), `together-ai` (in `error` the whole body) and
 * `@huggingface/hub` (`statusCode`, `data`).
 */
function toAnswer(error: unknown): FailedAnswer | null {
  if (!(error instanceof Error)) return null;
  const fields = error as Error & Readonly<Partial<Record<'status' | 'statusCode' | 'error' | 'data' | 'headers', unknown>>>;
  const { status, statusCode, error: inner, data } = fields;
  const headers = fields.headers instanceof Headers ? fields.headers : new Headers();
  if (typeof status === 'number') {
    const isWhole = isObject(inner) && inner['error'] != null;
    return { status, headers, body: inner == null ? '' : isWhole ? inner : { error: inner } };
  }
  if (typeof statusCode === 'number') return { status: statusCode, headers, body: data };
  return null;
}

const shownCharacters = 500;

/** An answer that is no success. Only one in the service's own words, an `error` in JSON, says what the service did. */
export function toAnswerFailure({ status, headers, body }: FailedAnswer, { what, redact, now, refusals = [] }: RequestInfo): Failure {
  const own = parseServiceError(body);
  const code = getAnswerCode(status, own, refusals);
  const retryAfterMs = parseRetryAfter(headers, now);
  const isOtherText = typeof body === 'string' && body.trim() !== '';
  const found = redact(own?.message ?? (isOtherText ? 'the answer has no JSON error of the service' : 'no reason given'));
  const shown = found.length > shownCharacters ? `${found.slice(0, shownCharacters)}…` : found;
  return new Failure(code, `${redact(what)}: ${formatVerdict(code)} (${status}): ${shown}`, {
    status,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(code === 'credentials-invalid' ? { hint: 'check the credential, its permissions, and where it comes from' } : {}),
  });
}

function formatVerdict(code: FailureCode): string {
  if (code === 'credentials-invalid') return 'the service refused the key';
  return code === 'request-refused' ? 'the service refused the request' : 'the service answered with an error';
}

interface ServiceError {
  readonly message: string;
  readonly kinds: readonly unknown[];
}

/** Statuses by which any service refuses a request. */
const commonRefusals: readonly number[] = [400, 401, 403, 404, 405, 410, 413, 415, 422];

function getAnswerCode(status: number, own: ServiceError | null, refusals: readonly number[]): FailureCode {
  if (own !== null && status === 429) return own.kinds.includes('insufficient_quota') ? 'quota-exhausted' : 'rate-limited';
  if (own !== null && [...commonRefusals, ...refusals].includes(status)) {
    if (status === 402) return 'quota-exhausted';
    return status === 401 || status === 403 ? 'credentials-invalid' : 'request-refused';
  }
  return status >= 500 || [408, 409, 429].includes(status) ? 'service-unavailable' : 'response-invalid';
}

/** `{"error": "…"}` or `{"error": {"message": "…", "code"?, "type"?}}`, as text or parsed. */
function parseServiceError(body: unknown): ServiceError | null {
  const parsed = typeof body === 'string' ? parseJsonOr(body, null) : body;
  const error = isObject(parsed) ? parsed['error'] : null;
  if (typeof error === 'string' && error !== '') return { message: error, kinds: [] };
  if (!isObject(error) || typeof error['message'] !== 'string') return null;
  return { message: error['message'], kinds: [error['code'], error['type']] };
}

/** Node's words for a certificate that was not accepted, before anything was sent (X.509 verification results of OpenSSL). */
const certificate = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$|ERR_TLS_CERT_)/;
const unreached = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT']);
const slow = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** A failure of the network or of what came over it; null where the error is about something else. */
function toTransportFailure(error: unknown, { what, redact }: RequestInfo): Failure | null {
  const code = toSystemCode(error instanceof AggregateError ? error.errors[0] : error);
  const fail = (kind: FailureCode, found: string, hint?: string): Failure =>
    new Failure(kind, redact(`${what}: ${found}`), hint === undefined ? {} : { hint });
  if (error instanceof Error && error.name === 'AbortError') return fail('interrupted', 'interrupted before its answer');
  if (error instanceof Error && error.name === 'TimeoutError') return fail('timeout', 'expected an answer in time, found none');
  if (error instanceof Error && error.name === 'HTTPParserError') return fail('response-invalid', 'expected HTTP, found something else');
  if (error instanceof SyntaxError) return fail('response-invalid', 'expected JSON, found other text');
  if (code === null) return null;
  if (certificate.test(code)) {
    return fail('certificate-invalid', `the certificate of the service is not accepted (${code})`, 'nothing was sent; check the address');
  }
  if (isUnreached(error)) return fail('service-unreachable', `no connection (${code})`, 'check the network and the address');
  if (slow.has(code)) return fail('timeout', 'expected an answer in time, found none');
  if (/^(HPE_|Z_|ERR__?ERROR_|UND_ERR_HEADERS_OVERFLOW)/.test(code)) {
    return fail('response-invalid', `expected an answer that can be read, found one that cannot (${code})`);
  }
  return fail('service-unavailable', `the connection broke (${code})`);
}

/** Whether no connection came about. Of several addresses that were tried, none may have been reached. */
function isUnreached(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isUnreached);
  if (!(error instanceof Error)) return false;
  return unreached.has(toSystemCode(error) ?? '') || ('syscall' in error && error.syscall === 'connect');
}

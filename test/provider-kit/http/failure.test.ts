import { expect, test } from 'vitest';
import { Failure } from '../../../src/errors.ts';
import { isRefusedWith, toAnswerFailure, toHttpFailure, toSendOutcome } from '../../../src/provider-kit/http.ts';

const json = '{"error":{"message":"no","type":"invalid_request_error"}}';
const html = '<html>no</html>';

function toCoded(code: string, more: object = {}): Error {
  return Object.assign(new Error(code), { code }, more);
}

/** As `fetch` throws it. */
function toFetchError(cause: Error): TypeError {
  return new TypeError('fetch failed', { cause });
}

function toAnswered(status: number, body: unknown = json, headers: Record<string, string> = {}): Failure {
  return toAnswerFailure({ status, headers: new Headers(headers), body }, { what: 'POST x', redact: (text) => text, now: new Date(0) });
}

/** As the SDKs throw an answer: `openai` with what stands in its `error`, `@huggingface/hub` with the whole body. */
function toSdkError(fields: object): Error {
  return Object.assign(new Error('429 no'), fields);
}

const hop = (code: string): Error => toCoded(code, { syscall: 'connect' });

test.each([
  // Surely not sent.
  ['a name that is not known', toFetchError(toCoded('ENOTFOUND')), 'no', 'service-unreachable'],
  ['a name server out of reach', toFetchError(toCoded('EAI_AGAIN')), 'no', 'service-unreachable'],
  ['a connection refused', toFetchError(toCoded('ECONNREFUSED')), 'no', 'service-unreachable'],
  ['a connection that takes too long', toFetchError(toCoded('UND_ERR_CONNECT_TIMEOUT')), 'no', 'service-unreachable'],
  ['no way to the network', toFetchError(hop('ENETUNREACH')), 'no', 'service-unreachable'],
  ['all addresses out of reach', toFetchError(new AggregateError([hop('ECONNREFUSED'), hop('ENETUNREACH')])), 'no', 'service-unreachable'],
  ['a certificate that ended', toFetchError(toCoded('CERT_HAS_EXPIRED')), 'no', 'certificate-invalid'],
  ['a certificate that nobody signed', toFetchError(toCoded('DEPTH_ZERO_SELF_SIGNED_CERT')), 'no', 'certificate-invalid'],
  ['a chain that nobody signed', toFetchError(toCoded('SELF_SIGNED_CERT_IN_CHAIN')), 'no', 'certificate-invalid'],
  ['a certificate that cannot be checked', toFetchError(toCoded('UNABLE_TO_VERIFY_LEAF_SIGNATURE')), 'no', 'certificate-invalid'],
  ['a certificate of another name', toFetchError(toCoded('ERR_TLS_CERT_ALTNAME_INVALID')), 'no', 'certificate-invalid'],
  ['a request that was refused here', new Failure('request-unsent', 'wrong origin'), 'no', 'request-unsent'],
  // Refused in the service's own words.
  ...[400, 404, 405, 410, 413, 415, 422].map((status) => [`${status} in JSON`, toAnswered(status), 'refused', 'request-refused'] as const),
  ['401 in JSON', toAnswered(401), 'refused', 'credentials-invalid'],
  ['403 in JSON', toAnswered(403, '{"error":"no"}'), 'refused', 'credentials-invalid'],
  ['429 of an empty account', toAnswered(429, '{"error":{"message":"no","code":"insufficient_quota"}}'), 'refused', 'quota-exhausted'],
  [
    '429 of an empty account by type',
    toAnswered(429, '{"error":{"message":"no","type":"insufficient_quota"}}'),
    'refused',
    'quota-exhausted',
  ],
  ['429 in JSON', toAnswered(429), 'limited', 'rate-limited'],
  // Of SDKs.
  ['openai 401', toSdkError({ status: 401, headers: new Headers(), error: { message: 'no' } }), 'refused', 'credentials-invalid'],
  ['openai 429', toSdkError({ status: 429, headers: new Headers(), error: { message: 'no' } }), 'limited', 'rate-limited'],
  ['openai 400 in HTML', toSdkError({ status: 400, headers: new Headers(), error: undefined }), 'unknown', 'response-invalid'],
  ['openai 500', toSdkError({ status: 500, headers: new Headers(), error: { message: 'no' } }), 'unknown', 'service-unavailable'],
  [
    'openai without connection',
    new Error('Connection error.', { cause: new Failure('service-unreachable', 'x') }),
    'no',
    'service-unreachable',
  ],
  [
    'openai after a reset',
    new Error('Connection error.', { cause: toFetchError(toCoded('ECONNRESET')) }),
    'unknown',
    'service-unavailable',
  ],
  ['hub 404', toSdkError({ statusCode: 404, data: { error: 'no' } }), 'refused', 'request-refused'],
  ['hub 404 in HTML', toSdkError({ statusCode: 404, data: { message: html } }), 'unknown', 'response-invalid'],
  // Nobody knows.
  ...[401, 403, 400, 422].map((status) => [`${status} in HTML`, toAnswered(status, html), 'unknown', 'response-invalid'] as const),
  ['400 without a body', toAnswered(400, ''), 'unknown', 'response-invalid'],
  ['400 with a list', toAnswered(400, '[]'), 'unknown', 'response-invalid'],
  ['400 with an error that says nothing', toAnswered(400, '{"error":{}}'), 'unknown', 'response-invalid'],
  ['400 cut off', toAnswered(400, json.slice(0, -2)), 'unknown', 'response-invalid'],
  ['429 in HTML', toAnswered(429, html), 'unknown', 'service-unavailable'],
  ...[408, 409, 500, 502, 503, 504].map((status) => [`${status} in JSON`, toAnswered(status), 'unknown', 'service-unavailable'] as const),
  ...[302, 307, 402, 418, 421, 451].map((status) => [`${status} in JSON`, toAnswered(status), 'unknown', 'response-invalid'] as const),
  ['a reset', toFetchError(toCoded('ECONNRESET')), 'unknown', 'service-unavailable'],
  ['a closed connection', toFetchError(toCoded('UND_ERR_SOCKET')), 'unknown', 'service-unavailable'],
  ['a broken pipe', toFetchError(toCoded('EPIPE')), 'unknown', 'service-unavailable'],
  ['a timeout of the connection', toFetchError(toCoded('ETIMEDOUT', { syscall: 'read' })), 'unknown', 'service-unavailable'],
  ['one address reached', toFetchError(new AggregateError([hop('ECONNREFUSED'), toCoded('ECONNRESET')])), 'unknown', 'service-unavailable'],
  ['a broken handshake', toFetchError(toCoded('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')), 'unknown', 'service-unavailable'],
  ['no head in time', toFetchError(toCoded('UND_ERR_HEADERS_TIMEOUT')), 'unknown', 'timeout'],
  ['no body in time', new TypeError('terminated', { cause: toCoded('UND_ERR_BODY_TIMEOUT') }), 'unknown', 'timeout'],
  ['no whole answer in time', new Failure('timeout', 'x'), 'unknown', 'timeout'],
  ['an abort', new DOMException('This operation was aborted', 'AbortError'), 'unknown', 'interrupted'],
  ["a timeout of the caller's own", new DOMException('x', 'TimeoutError'), 'unknown', 'timeout'],
  ['an abort by Ctrl-C', new Failure('interrupted', 'x'), 'unknown', 'interrupted'],
  ['an answer that is not HTTP', toFetchError(toCoded('HPE_INVALID_CONSTANT')), 'unknown', 'response-invalid'],
  ['a body that cannot be unpacked', new TypeError('terminated', { cause: toCoded('Z_DATA_ERROR') }), 'unknown', 'response-invalid'],
  ['a port that fetch does not use', toFetchError(new Error('bad port')), 'unknown', 'service-unavailable'],
  ['broken JSON', new SyntaxError('Unexpected token'), 'unknown', 'response-invalid'],
  ['HTML instead of JSON', new Failure('response-invalid', 'x'), 'unknown', 'response-invalid'],
  ['a fault of the program', new TypeError('x is not a function'), 'unknown', 'unexpected'],
  ['no error at all', 'oops', 'unknown', 'unexpected'],
  ['nothing', undefined, 'unknown', 'unexpected'],
] as const)('%s', (_what, thrown, sent, code) => {
  const outcome = toSendOutcome(thrown);
  expect({ sent: outcome.sent, code: outcome.failure.code }).toEqual({ sent, code });
});

test('a failure says what was asked, what was found, and how long to wait; never a credential, never everything', () => {
  const body = JSON.stringify({ error: { message: `key sk-abcdefgh12345678 is wrong ${'x'.repeat(9999)}` } });
  const failure = toAnswerFailure(
    { status: 429, headers: new Headers({ 'retry-after': '7' }), body },
    { what: 'POST https://api.example/jobs', redact: (text) => text.replaceAll('sk-abcdefgh12345678', '[secret]'), now: new Date(0) },
  );
  expect(failure.message).toMatch(
    /^POST https:\/\/api\.example\/jobs: the service answered with an error \(429\): key \[secret\] is wrong x+…$/,
  );
  expect(failure.message.length).toBeLessThan(700);
  expect(failure.retryAfterMs).toBe(7000);
});

test('whatever was thrown becomes a failure that names the request', () => {
  const thrown = new TypeError('fetch failed', { cause: toCoded('ECONNRESET') });
  const failure = toHttpFailure(thrown, { what: 'GET https://api.example/jobs' });
  expect(failure.message).toBe('GET https://api.example/jobs: the connection broke (ECONNRESET)');
  expect(toHttpFailure(new Error('x', { cause: failure }))).toBe(failure);
  expect(toHttpFailure(new Error('key sk-abcdefgh12345678')).message).toBe('the request: key [secret]');
});

test('errors that cause each other in a circle end', () => {
  const error = new Error('a');
  error.cause = new Error('b', { cause: error });
  expect(toSendOutcome(error).sent).toBe('unknown');
});

test('a failure has the status of the answer, by which a refusal is known, whatever its words', () => {
  expect(toAnswered(404).status).toBe(404);
  expect(toHttpFailure(toSdkError({ status: 503, headers: new Headers(), error: { message: 'no' } })).status).toBe(503);
  expect(toHttpFailure(toFetchError(toCoded('ECONNRESET'))).status).toBeNull();
  expect(isRefusedWith(toAnswered(404), 404, 410)).toBe(true);
  expect(isRefusedWith(toAnswered(400, '{"error":"the service refused the request (404): no"}'), 404)).toBe(false);
  expect(isRefusedWith(toAnswered(404, html), 404)).toBe(false); // the page of a proxy
  expect(isRefusedWith(toSdkError({ status: 404 }), 404)).toBe(false);
});

test('a service may refuse with statuses of its own, in its own words', () => {
  const info = { what: 'POST x', redact: (text: string) => text, now: new Date(0), refusals: [402, 451] };
  const pay = (status: number, body: unknown = json): unknown =>
    toSendOutcome(toAnswerFailure({ status, headers: new Headers(), body }, info));
  expect(pay(402)).toMatchObject({ sent: 'refused', failure: { code: 'quota-exhausted', status: 402 } });
  expect(pay(451)).toMatchObject({ sent: 'refused', failure: { code: 'request-refused' } });
  expect(pay(402, html)).toMatchObject({ sent: 'unknown', failure: { code: 'response-invalid' } });
  expect(pay(500)).toMatchObject({ sent: 'unknown' });
});

import type { Sent } from '../provider/submit-failure.ts';

/** How a service answers, or does not. */
export type HttpFault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** A body that ends too early: `length` announces more bytes than come, `chunked` lacks its last chunk. */
  | { readonly kind: 'cut'; readonly framing: 'length' | 'chunked' }
  | { readonly kind: 'huge'; readonly bytes: number }
  /** To the same address, or to one of another origin, which answers `{}`. */
  | { readonly kind: 'redirect-loop' | 'redirect-away'; readonly status: number }
  | {
      readonly kind:
        | 'endless' // a body that never ends, as fast as it is read
        | 'slow-head' // a head that never ends, byte by byte
        | 'slow-body'
        | 'gzip-bomb' // small, but of 256 MiB when it is unpacked
        | 'not-gzip'
        | 'not-http'
        | 'reset-before' // the connection is reset once the request has arrived
        | 'reset-upload' // it is reset while the request arrives
        | 'reset-after' // it is reset after the head of the answer
        | 'half-open' // the request arrives, and nothing ever comes back
        | 'unreachable'; // no connection comes about
    };

/** A fault, and what may be said about a request that met it. */
export interface FaultCase {
  readonly fault: HttpFault;
  /** What a create must say of it. */
  readonly sent: Sent;
  /** Whether a read may take it for an answer. */
  readonly mayAnswer?: boolean;
}

const answer = (status: number, body = '{"error":{"message":"no"}}', headers: Readonly<Record<string, string>> = {}): HttpFault => ({
  kind: 'answer',
  status,
  body,
  headers,
});

const html = '<html><body>Please log in</body></html>';
const retryAfter = [
  '0',
  '1',
  '3600',
  '-5',
  '99999999999999999999',
  'soon',
  '',
  'Wed, 21 Oct 2015 07:28:00 GMT',
  'Fri, 31 Dec 9999 23:59:59 GMT',
];

/** Every way in which a service misbehaves, by its name. */
export const faultCases: Readonly<Record<string, FaultCase>> = {
  ...Object.fromEntries([400, 401, 403, 404, 410, 413, 422].map((status) => [`${status}`, { fault: answer(status), sent: 'refused' }])),
  ...Object.fromEntries([401, 403, 404, 429].map((status) => [`${status} in HTML`, { fault: answer(status, html), sent: 'unknown' }])),
  ...Object.fromEntries([408, 409, 421, 500, 502, 503, 504].map((status) => [`${status}`, { fault: answer(status), sent: 'unknown' }])),
  ...Object.fromEntries(
    retryAfter.map((value) => [
      `429 with Retry-After "${value}"`,
      { fault: answer(429, undefined, { 'retry-after': value }), sent: 'limited' },
    ]),
  ),
  '429 of an empty account': { fault: answer(429, '{"error":{"message":"no","code":"insufficient_quota"}}'), sent: 'refused' },
  '503 with Retry-After "1"': { fault: answer(503, '', { 'retry-after': '1' }), sent: 'unknown' },
  '200 in HTML': { fault: answer(200, html, { 'content-type': 'text/html' }), sent: 'unknown' },
  '200 in HTML that is called JSON': { fault: answer(200, html), sent: 'unknown' },
  '200 without a body': { fault: answer(200, ''), sent: 'unknown' },
  '200 with broken JSON': { fault: answer(200, '{"id":"job-1",'), sent: 'unknown' },
  'a body that is cut off': { fault: { kind: 'cut', framing: 'length' }, sent: 'unknown' },
  'a body in chunks that is cut off': { fault: { kind: 'cut', framing: 'chunked' }, sent: 'unknown' },
  'a body without end': { fault: { kind: 'endless' }, sent: 'unknown' },
  'a head that drips': { fault: { kind: 'slow-head' }, sent: 'unknown' },
  'a body that drips': { fault: { kind: 'slow-body' }, sent: 'unknown' },
  'a huge body': { fault: { kind: 'huge', bytes: 1024 * 1024 * 1024 }, sent: 'unknown' },
  'a small body that unpacks to a huge one': { fault: { kind: 'gzip-bomb' }, sent: 'unknown' },
  'a body that is not packed as it says': { fault: { kind: 'not-gzip' }, sent: 'unknown' },
  'an answer that is not HTTP': { fault: { kind: 'not-http' }, sent: 'unknown' },
  'a reset before the head': { fault: { kind: 'reset-before' }, sent: 'unknown' },
  'a reset after the head': { fault: { kind: 'reset-after' }, sent: 'unknown' },
  'no answer': { fault: { kind: 'half-open' }, sent: 'unknown' },
  'no connection': { fault: { kind: 'unreachable' }, sent: 'no' },
  'redirects in a circle': { fault: { kind: 'redirect-loop', status: 302 }, sent: 'unknown' },
  'a redirect to another origin': { fault: { kind: 'redirect-away', status: 302 }, sent: 'unknown', mayAnswer: true },
  'a redirect with the body to another origin': { fault: { kind: 'redirect-away', status: 307 }, sent: 'unknown', mayAnswer: true },
};

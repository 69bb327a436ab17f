import { Failure } from '../../errors.ts';
import type { Secret } from '../../lib/redact.ts';

const credentialHeader = /authorization|cookie|api-?key|token|secret|password|^openai-(organization|project)$/i;

/** Headers that may go to any origin, since they do not say who asks. All others are left out of a redirect to another origin. */
const harmlessHeaders = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'user-agent',
]);

/** Throws Failure `request-unsent` for an address that is not HTTP, and for a credential that would go to another origin than its own. */
export function checkAddress({ url, headers }: Request, { origin, secrets }: { origin: string | null; secrets: readonly Secret[] }): void {
  const { protocol, origin: found } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new Failure('request-unsent', `expected an address with https: or http:, found ${protocol}; nothing was sent`);
  }
  if (found === origin || !carriesCredential(url, headers, secrets)) return;
  const own = origin === null ? 'no origin, since none was named for it' : `its own origin ${origin}`;
  throw new Failure('request-unsent', `expected the credential to go to ${own}, found ${found}; nothing was sent`, {
    hint: 'check the address of the service',
  });
}

function carriesCredential(url: string, headers: Headers, secrets: readonly Secret[]): boolean {
  const values = [url, ...headers.values()];
  const isHeld = (secret: string): boolean =>
    secret !== '' && values.some((value) => value.includes(secret) || value.includes(encodeURIComponent(secret)));
  return [...headers.keys()].some((name) => credentialHeader.test(name)) || secrets.some((secret) => isHeld(secret.reveal()));
}

/** The headers that go to another origin. */
export function toForeignHeaders(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => harmlessHeaders.has(name)));
}

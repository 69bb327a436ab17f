import type { Answer } from '../answer.ts';
import type { PlannedErrors } from '../faults.ts';

interface HubErrorDetails {
  /** `X-Error-Code`, where the Hub gives one. */
  readonly code?: string;
  /** Further members of the body. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error as the Hub words it. */
export function toHubError(status: number, error: string, { code, more = {}, headers = {} }: HubErrorDetails = {}): Answer {
  const shown = error.replaceAll(/[^\x20-\x7e]/g, '?'); // a header takes no other character
  return {
    status,
    body: { error, ...more },
    headers: { 'x-error-message': shown, ...(code === undefined ? {} : { 'x-error-code': code }), ...headers },
  };
}

/** Ends the handling of a request with an error of the Hub. */
export function refuseHub(status: number, error: string, details: HubErrorDetails = {}): never {
  throw Object.assign(new Error(error), { answer: toHubError(status, error, details) });
}

export const hubErrors: PlannedErrors = {
  failed: () => toHubError(500, "Internal Error - We're working hard to fix this as soon as possible!"),
  limited(seconds) {
    const headers = { ratelimit: `"api";r=0;t=${seconds}`, 'ratelimit-policy': '"fixed window";"api";q=1000;w=300' };
    return toHubError(429, 'Too Many Requests', { headers });
  },
};

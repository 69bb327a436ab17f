/** Errors as the API of OpenAI words them. */
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isFailure } from '../errors.ts';

interface ErrorDetails {
  /** The field of the request that is wrong. */
  readonly param?: string | null;
  readonly code?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body of an error. */
export function formatError(status: number, message: string, { param = null, code = null }: ErrorDetails = {}): object {
  const type = status === 429 ? 'requests' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error: { message, type, param, code } };
}

export function buildError(status: number, message: string, details: ErrorDetails = {}): Response {
  return Response.json(formatError(status, message, details), { status, headers: details.headers ?? {} });
}

/** Ends the handling of a request. */
export function refuse(status: ContentfulStatusCode, message: string, details: ErrorDetails = {}): never {
  throw new HTTPException(status, { res: buildError(status, message, details) });
}

/** Whether a request is at fault, and not the model that was asked, nor this program. */
export function isRequestFault(error: unknown): boolean {
  return isFailure(error, 'data-invalid') || isFailure(error, 'usage');
}

/** What whoever asked is told of a fault that is not theirs; the rest is said where the server was started. */
export const hiddenFault = 'The model could not answer. The server has printed the reason.';

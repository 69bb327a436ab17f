/** What the sandbox says to one request. A Buffer is sent as it is, anything else as JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ErrorDetails {
  readonly type?: string;
  readonly param?: string | null;
  readonly code?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Refusal extends Error {
  readonly answer: Answer;
}

export function toAnswer(body: unknown, status = 200): Answer {
  return { status, body };
}

/** An error as the service words it. */
export function toErrorAnswer(status: number, message: string, details: ErrorDetails = {}): Answer {
  const { type = status >= 500 ? 'server_error' : 'invalid_request_error', param = null, code = null, headers = {} } = details;
  return { status, body: { error: { message, type, param, code } }, headers };
}

/** Ends the handling of a request with an error; `toRefusalAnswer` gets the answer back. */
export function refuse(status: number, message: string, details: ErrorDetails = {}): never {
  throw Object.assign(new Error(message), { answer: toErrorAnswer(status, message, details) });
}

/** The answer of what `refuse` threw; null for any other error. */
export function toRefusalAnswer(error: unknown): Answer | null {
  return isRefusal(error) ? error.answer : null;
}

function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && 'answer' in error;
}

/** The sandbox itself is at fault. */
export function toFaultAnswer(error: unknown): Answer {
  return toErrorAnswer(500, `A fault of the sandbox: ${String(error)}`);
}

import type { ServerResponse } from 'node:http';
import { toErrorAnswer, type Answer } from './answer.ts';
import type { Clock } from './clock.ts';

/** The kinds of requests that the sandbox tells apart. */
export const requestKinds = [
  ...(['upload', 'file', 'files', 'content', 'delete'] as const),
  ...(['upload-create', 'upload-part', 'upload-complete', 'upload-cancel'] as const),
  ...(['create', 'list', 'get', 'events', 'checkpoints', 'cancel', 'pause', 'resume'] as const),
  ...(['models', 'model', 'model-delete', 'chat'] as const),
  ...(['deploy', 'deployment', 'deployment-delete'] as const),
  ...(['whoami', 'repo-create', 'repo-delete', 'repo', 'tree', 'branch', 'branch-delete', 'preupload', 'commit', 'resolve'] as const),
  ...(['lfs-batch', 'lfs-upload', 'lfs-download'] as const),
  ...(['job-create', 'job-list', 'job-get', 'job-logs', 'job-cancel', 'job-labels', 'job-hardware'] as const),
] as const;
export type RequestKind = (typeof requestKinds)[number];

export const faultTypes = [
  'ok',
  'drop-before',
  'drop-after',
  '500-before',
  '500-after',
  '429',
  'hang-after',
  'late',
  'cut',
  'early-end',
  'html',
  'html-before',
] as const;

/** What the sandbox does wrong with one request. `…-after`: it has happened, and the answer is lost; `…-before`: nothing has happened. */
export type Fault =
  | { readonly type: 'ok' }
  /** The connection is cut. */
  | { readonly type: 'drop-before' | 'drop-after' }
  | { readonly type: '500-before' | '500-after' }
  /** Nothing has happened; come back after so many seconds (default 1). */
  | { readonly type: '429'; readonly retryAfterSeconds?: number }
  /** It has happened, and no answer comes. */
  | { readonly type: 'hang-after' }
  /** No answer comes, and it happens so many ms after the request. */
  | { readonly type: 'late'; readonly ms: number }
  /** It has happened; the answer ends in its middle, or is a page of HTML with status 200. */
  | { readonly type: 'cut' | 'html' }
  /** A stream ends in its middle as if it were over; any other answer is whole. */
  | { readonly type: 'early-end' }
  /** Nothing has happened; a page of HTML with status 200 is the answer. */
  | { readonly type: 'html-before' };

/** The faults of the 1st, 2nd, … request of a kind, after which all is well. */
export type FaultPlans = Readonly<Partial<Record<RequestKind, readonly Fault[]>>>;

/** The planned errors in the words of a service. */
export interface PlannedErrors {
  failed(): Answer;
  limited(retryAfterSeconds: number): Answer;
}

const usualErrors: PlannedErrors = {
  failed: () => toErrorAnswer(500, 'The server had an error while processing your request. (planned)'),
  limited(seconds) {
    const headers = { 'retry-after': String(seconds) };
    return toErrorAnswer(429, 'Rate limit reached (planned)', { type: 'requests', code: 'rate_limit_exceeded', headers });
  },
};

export interface PlannedAnswer {
  readonly fault: Fault | null;
  readonly commit: () => Answer | Promise<Answer>;
  readonly clock: Clock;
  /** Absent: those of OpenAI. */
  readonly errors?: PlannedErrors;
}

/** Answers a request as its fault says. `commit` does what the request asks for and never throws. */
export async function answerWithFault(
  { fault, commit, clock, errors = usualErrors }: PlannedAnswer,
  response: ServerResponse,
): Promise<void> {
  switch (fault?.type) {
    case undefined:
    case 'ok':
    case 'early-end':
      return send(response, await commit());
    case 'drop-before':
      return void response.destroy();
    case 'drop-after':
      await commit();
      return void response.destroy();
    case '500-before':
      return send(response, errors.failed());
    case '500-after':
      await commit();
      return send(response, errors.failed());
    case '429':
      return send(response, errors.limited(fault.retryAfterSeconds ?? 1));
    case 'hang-after':
      return void (await commit());
    case 'late':
      await clock.wait(fault.ms);
      return void (await commit());
    case 'cut':
      return sendHalf(response, await commit());
    case 'html':
      await commit();
      return sendHtml(response);
    case 'html-before':
      return sendHtml(response);
  }
}

export function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, toHeaders(answer)).end(toBytes(answer));
}

function sendHalf(response: ServerResponse, answer: Answer): void {
  const bytes = toBytes(answer);
  response.writeHead(answer.status, toHeaders(answer));
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}

function sendHtml(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>please log in</body></html>');
}

function toHeaders(answer: Answer): Record<string, string> {
  if (answer.body === undefined) return { ...answer.headers };
  const type = Buffer.isBuffer(answer.body) ? 'application/octet-stream' : 'application/json';
  return { 'content-type': type, 'content-length': String(toBytes(answer).length), ...answer.headers };
}

function toBytes({ body }: Answer): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
}

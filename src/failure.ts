/**
 * The one error class of the program, with a closed list of codes. A message says what was expected, what was found, where,
 * and what to do; the code decides the exit status and whether a *read* may be repeated.
 */

/** Who can mend it. */
export type FailureCause = 'user' | 'data' | 'quota' | 'provider' | 'timeout' | 'no_capacity' | 'program';

interface FailureKind {
  readonly exit: number;
  readonly cause: FailureCause;
  /** Whether a read that failed this way may be repeated. A call that may cost money is never repeated. */
  readonly retryable: boolean;
}

/** Each code with its exit status; statuses 64 to 78 follow BSD's sysexits.h. */
export const failureKinds = {
  unexpected: { exit: 1, cause: 'program', retryable: false },
  usage: { exit: 2, cause: 'user', retryable: false },
  'data-invalid': { exit: 65, cause: 'data', retryable: false },
  'model-invalid': { exit: 65, cause: 'data', retryable: false },
  'file-missing': { exit: 66, cause: 'user', retryable: false },
  'service-unavailable': { exit: 69, cause: 'provider', retryable: true },
  'needs-decision': { exit: 75, cause: 'user', retryable: false },
  'store-locked': { exit: 75, cause: 'timeout', retryable: true },
  'permission-denied': { exit: 77, cause: 'user', retryable: false },
  'job-file-invalid': { exit: 78, cause: 'user', retryable: false },
  'configuration-invalid': { exit: 78, cause: 'user', retryable: false },
  'store-newer': { exit: 78, cause: 'user', retryable: false },
  'training-diverged': { exit: 100, cause: 'data', retryable: false },
  'trainer-died': { exit: 100, cause: 'program', retryable: false },
  'run-not-found': { exit: 102, cause: 'user', retryable: false },
  interrupted: { exit: 130, cause: 'user', retryable: false },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failureKinds;

/** A failure as it is stored and printed with `--json`. */
export interface FailureData {
  readonly code: FailureCode;
  readonly cause: FailureCause;
  readonly message: string;
  /** What to do about it, one sentence; null where the message says it. */
  readonly hint: string | null;
  readonly retryable: boolean;
}

interface FailureDetails {
  readonly hint?: string;
  /** The error that this one explains. */
  readonly error?: unknown;
}

/** `throw new Failure('data-invalid', 'train.jsonl:12: expected a string in "text", found 3', {hint: '…'})`. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly hint: string | null;

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details.error === undefined ? undefined : { cause: details.error });
    this.name = 'Failure';
    this.code = code;
    this.hint = details.hint ?? null;
  }
}

/** Whether `error` is a Failure, and of `code` where one is given. */
export function isFailure(error: unknown, code?: FailureCode): error is Failure {
  return error instanceof Failure && (code === undefined || error.code === code);
}

/** Any thrown value as plain data. What is not a Failure is `unexpected`. */
export function toFailureData(error: unknown): FailureData {
  const code = isFailure(error) ? error.code : 'unexpected';
  const message = error instanceof Error ? error.message : String(error);
  const { cause, retryable } = failureKinds[code];
  return { code, cause, message, hint: isFailure(error) ? error.hint : null, retryable };
}

/** The system's word for a failed file operation (`ENOENT`, `EACCES`, …), or null. */
export function toSystemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** A failed file operation on `path` as a Failure; `what` names the file for the reader ("job file", "data file"). */
export function toFileFailure(error: unknown, what: string, path: string): unknown {
  switch (toSystemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new Failure('file-missing', `${what} not found: ${path}`, { error });
    case 'EISDIR':
      return new Failure('file-missing', `expected a ${what}, found a folder: ${path}`, { error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Failure('permission-denied', `no permission for the ${what}: ${path}`, { error });
    default:
      return error;
  }
}

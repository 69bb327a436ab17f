/**
 * The one error class of the program, with a closed list of codes. A message says what was expected, what was found, where,
 * and what to do; the code decides the exit status and whether a *read* may be repeated.
 */

/** Who can fix it. */
export type FailureCause = 'user' | 'data' | 'quota' | 'provider' | 'timeout' | 'no_capacity' | 'program';

interface FailureKind {
  readonly exit: number;
  readonly cause: FailureCause;
  /** Whether a read that failed this way may be repeated. A call that may cost money is never repeated. */
  readonly retryable: boolean;
  readonly meaning: string;
}

/** Each code with its exit status; the statuses 64 to 78 follow BSD's sysexits.h. */
export const failureKinds = {
  unexpected: { exit: 1, cause: 'program', retryable: false, meaning: 'a fault of the program' },
  usage: { exit: 2, cause: 'user', retryable: false, meaning: 'the command line is wrong' },
  'data-invalid': { exit: 65, cause: 'data', retryable: false, meaning: 'the data cannot be used; the message names file and line' },
  'model-invalid': {
    exit: 65,
    cause: 'data',
    retryable: false,
    meaning: 'the model folder cannot be used; the message names file and tensor or field',
  },
  'file-missing': { exit: 66, cause: 'user', retryable: false, meaning: 'a file is missing, or is a folder' },
  'service-unavailable': {
    exit: 69,
    cause: 'provider',
    retryable: true,
    meaning: 'a service cannot be reached, or something that the program needs does not work',
  },
  'service-unreachable': {
    exit: 69,
    cause: 'provider',
    retryable: true,
    meaning: 'there is no connection to a service; nothing was sent',
  },
  'certificate-invalid': {
    exit: 69,
    cause: 'provider',
    retryable: false,
    meaning: 'the certificate of a service is not accepted; nothing was sent',
  },
  'rate-limited': {
    exit: 69,
    cause: 'quota',
    retryable: true,
    meaning: 'a service was asked too often and asks for a pause',
  },
  'quota-exhausted': { exit: 69, cause: 'quota', retryable: false, meaning: 'the account at a service has no credit left' },
  'response-invalid': {
    exit: 69,
    cause: 'provider',
    retryable: false,
    meaning: 'a service answered with something that cannot be used: no JSON, too much, or a redirect',
  },
  timeout: { exit: 69, cause: 'timeout', retryable: true, meaning: 'a service did not answer completely in time' },
  'needs-decision': {
    exit: 75,
    cause: 'user',
    retryable: false,
    meaning: 'it is unknown whether a submission arrived; a person must decide',
  },
  'store-locked': { exit: 75, cause: 'timeout', retryable: true, meaning: 'another process holds the state database' },
  'budget-exceeded': {
    exit: 79,
    cause: 'user',
    retryable: false,
    meaning: 'the cost exceeds the budget, or is unknown; nothing more was started',
  },
  'permission-denied': { exit: 77, cause: 'user', retryable: false, meaning: 'a file may not be read or written' },
  'credentials-invalid': { exit: 77, cause: 'user', retryable: false, meaning: 'a service refuses the credentials, or there are none' },
  'request-unsent': {
    exit: 78,
    cause: 'user',
    retryable: false,
    meaning: 'a request was not sent: its address is wrong, or its credential belongs to another place',
  },
  'request-refused': { exit: 78, cause: 'user', retryable: false, meaning: 'a service understood a request and refuses it' },
  'training-unavailable': {
    exit: 77,
    cause: 'provider',
    retryable: false,
    meaning: 'the account at a service may no longer create fine-tuning jobs',
  },
  'model-unavailable': {
    exit: 78,
    cause: 'user',
    retryable: false,
    meaning: 'a service no longer has the model, or does not tune it',
  },
  'job-file-invalid': {
    exit: 78,
    cause: 'user',
    retryable: false,
    meaning: 'the job file is wrong, or asks for something that its target cannot do',
  },
  'configuration-invalid': { exit: 78, cause: 'user', retryable: false, meaning: 'the state folder or a setting is wrong' },
  'store-newer': { exit: 78, cause: 'user', retryable: false, meaning: 'the state was written by a newer version of the program' },
  'disk-full': { exit: 75, cause: 'user', retryable: false, meaning: 'there is no space left where the program writes' },
  'too-many-files': { exit: 71, cause: 'user', retryable: false, meaning: 'the system lets the process open no more files' },
  'training-diverged': { exit: 100, cause: 'data', retryable: false, meaning: 'the loss or a gradient was not a finite number' },
  'training-failed': { exit: 100, cause: 'user', retryable: false, meaning: 'a training ended with an error of its own' },
  'out-of-memory': { exit: 100, cause: 'user', retryable: false, meaning: 'a training needed more memory than there was' },
  'trainer-died': { exit: 100, cause: 'program', retryable: false, meaning: 'the trainer process was killed or crashed' },
  'run-not-found': { exit: 102, cause: 'user', retryable: false, meaning: 'there is no such run, or it has no model yet' },
  interrupted: { exit: 130, cause: 'user', retryable: false, meaning: 'Ctrl-C; what was submitted goes on' },
} as const satisfies Record<string, FailureKind>;

/** What commands that follow runs exit with. */
export const outcomeStatuses = {
  0: 'all runs succeeded',
  75: 'a run needs a decision, or its submission was not finished',
  100: 'a run failed or was rejected',
  101: 'a run has not ended (`--timeout`, `status --exit-code`)',
  103: 'a run was cancelled',
  104: 'a tuned model does not reach the verdict of `--require`',
  141: 'the output was closed, as with `| head`; submitted runs go on',
} as const;

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
  /** The pause that the service asks for. */
  readonly retryAfterMs?: number;
  /** The HTTP status of the answer, where a service has answered. */
  readonly status?: number;
  /** The code of a finding about data. */
  readonly finding?: string;
}

/** `throw new Failure('data-invalid', 'train.jsonl:12: expected a string in "text", found 3', {hint: '…'})`. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly hint: string | null;
  readonly retryAfterMs: number | null;
  /** The HTTP status of the answer that this failure is about; null where there was none. Decide by this and `code`, never by the message. */
  readonly status: number | null;
  /** Of a failure of data: the code under which a report of the data lists it. */
  readonly finding: string | null;

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details.error === undefined ? undefined : { cause: details.error });
    this.name = 'Failure';
    this.code = code;
    this.hint = details.hint ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.status = details.status ?? null;
    this.finding = details.finding ?? null;
  }
}

/** Whether `error` is a Failure, and of `code` where one is given. */
export function isFailure(error: unknown, code?: FailureCode): error is Failure {
  return error instanceof Failure && (code === undefined || error.code === code);
}

/** Any thrown value as plain data. What is not a Failure is `unexpected`. */
export function toFailureData(error: unknown): FailureData {
  const known = isFailure(error) ? error : toLimitFailure(error);
  const code = known?.code ?? 'unexpected';
  const message = known?.message ?? (error instanceof Error ? error.message : String(error));
  const { cause, retryable } = failureKinds[code];
  return { code, cause, message, hint: known?.hint ?? null, retryable };
}

/** An error of the system that says a limit of this machine is reached, wherever it came up; null for any other error. */
function toLimitFailure(error: unknown): Failure | null {
  if (!(error instanceof Error)) return null;
  switch (toSystemCode(error)) {
    case 'EMFILE':
    case 'ENFILE':
      return createTooManyFiles(error.message, error);
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('disk-full', `no space left: ${error.message}`, { hint: spaceHint, error });
    default:
      // Node's own words where it reads a module.
      return error.message.includes('too many open files') ? createTooManyFiles(error.message, error) : null;
  }
}

const spaceHint = 'free some space and run the command again';

/** @param found what could not be opened */
export function createTooManyFiles(found: string, error: unknown): Failure {
  return new Failure('too-many-files', `the system lets this process open no more files: ${found}`, {
    hint: 'raise the limit, such as with `ulimit -n 1024`, and run the command again',
    error,
  });
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
    case 'ELOOP':
      return new Failure('file-missing', `${what} not found: ${path} leads to itself, through symbolic links`, { error });
    case 'ENAMETOOLONG':
      return new Failure('file-missing', `${what} not found: a path cannot be as long as ${path.slice(0, 60)}…`, { error });
    case 'ERR_INVALID_ARG_VALUE': // a character of code 0 in the path
      return new Failure('file-missing', `${what} not found: no path has such characters: ${JSON.stringify(path)}`, { error });
    case 'EISDIR':
      return new Failure('file-missing', `expected a ${what}, found a folder: ${path}`, { error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('disk-full', `no space left for the ${what}: ${path}`, {
        hint: spaceHint,
        error,
      });
    case 'EFBIG':
      return new Failure('disk-full', `the system lets the ${what} grow no further: ${path}`, {
        hint: 'raise the limit, such as with `ulimit -f unlimited`, or write it elsewhere',
        error,
      });
    case 'EMFILE':
    case 'ENFILE':
      return createTooManyFiles(`${what}: ${path}`, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Failure('permission-denied', `no permission for the ${what}: ${path}`, { error });
    default:
      return error;
  }
}

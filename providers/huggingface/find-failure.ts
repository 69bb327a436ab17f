import { failureKinds, type FailureData } from '../../src/errors.ts';
import { reasons, signs, type FailureReason } from './failure-reasons.ts';
import { parseLogLine } from './parse-log-line.ts';
import { parseLogMarker } from './parse-log-marker.ts';
import { parseTracebacks, type PythonException, type Traceback } from './parse-tracebacks.ts';

/** What the service says about the end of a job. */
export interface JobEnd {
  /** Whether it says that the job failed. */
  readonly isFailed: boolean;
  /** Its `status.message`. */
  readonly message: string | null;
}

/**
 * Why a training failed, from all lines of its log; null where nothing tells of a failure. AutoTrain ends with 0 after an exception, so a job that
 * is `COMPLETED` can have one in its log; a traceback after which the training went on is none, unless the service says that the job failed.
 */
export function findFailure(lines: readonly string[], end: JobEnd = { isFailed: false, message: null }): FailureData | null {
  const { isFailed, message } = end;
  if (isFailed && message !== null && /\btime(?:d )?out\b/i.test(message)) return toFailure(reasons.timeout, message);
  const pieces = lines.flatMap(toPieces);
  const goesOn = pieces.findLastIndex(saysTraining);
  const isKilled = message !== null && killedMessage.test(message);
  const reported = findException(pieces, goesOn, isFailed && !isKilled) ?? findRefusedArguments(pieces, goesOn) ?? findKill(pieces, goesOn);
  if (reported !== null || !isFailed) return reported;
  if (message !== null && message !== '') return toFailure(isKilled ? reasons.killed : null, message);
  return toFailure(null, pieces.findLast((piece) => piece.trim() !== '' && parseLogMarker(piece) === null) ?? 'it left no word');
}

const killedMessage = /\bOOMKilled\b|\bexit(?:ed)? (?:with )?(?:status|code)[ :]{1,3}(?:137|-9)\b/i;
const longestPiece = 4000;

/** A line without colours, parted at its carriage returns, without the rank that torchrun puts before each line. */
function toPieces(line: string): string[] {
  const pieces = line.replaceAll(/\u001B\[[\d;]{0,20}[A-Za-z]/g, '').split(/[\r\n]/);
  return pieces.map((piece) => piece.slice(0, longestPiece).replace(/^\[(?:rank|default)\d{1,4}\]: ?/, ''));
}

/** What the launchers say about a child that failed: the child has said more. */
const launcher = /^(?:CalledProcessError|ChildFailedError)$/;

function findException(lines: readonly string[], goesOn: number, isFailed: boolean): FailureData | null {
  const tracebacks = parseTracebacks(lines).filter(({ isIgnored }) => !isIgnored);
  const [launched, own] = [tracebacks.filter(isLaunchers), tracebacks.filter((one) => !isLaunchers(one))];
  const caught = lines.findLastIndex((line) => line.includes('has failed due to an exception'));
  // Of several processes the first one to fail says why. What is printed can come before what was printed earlier to the other stream:
  // a launcher that says so, or the service, makes the last traceback count wherever it stands.
  const isEnd = isFailed || launched.some(({ line }) => line > goesOn);
  const reported = own.find(({ line }) => line === caught || line > goesOn) ?? (isEnd ? own.at(-1) : undefined);
  if (reported !== undefined) return toExceptionFailure(reported.exceptions);
  if (caught !== -1) return toFailure(null, lines.slice(caught).map(toRecordText).find(isSaid) ?? lines[caught]!);
  const refused = findRefusedArguments(lines, goesOn);
  return refused ?? (isEnd && launched[0] !== undefined ? toExceptionFailure(launched[0].exceptions) : null);
}

function isLaunchers({ exceptions }: Traceback): boolean {
  return launcher.test(exceptions.at(-1)!.type);
}

/** Whether a line shows that the training went on: measures, or its end. */
function saysTraining(line: string): boolean {
  if (/Training completed\.$|Finished training, saving model/.test(line)) return true;
  return line.includes('{') && parseLogLine(line).some(({ type }) => type === 'measures');
}

/** The message of a log record of AutoTrain's wrapper. */
function toRecordText(line: string): string {
  return /^ERROR\s*\|[^|]{1,60}\|[^|]{1,200}? - (.*)$/.exec(line)?.[1] ?? '';
}

function isSaid(text: string): boolean {
  return text !== '' && !text.includes('has failed due to an exception');
}

function toExceptionFailure(exceptions: readonly PythonException[]): FailureData {
  const last = exceptions.at(-1)!;
  // The last exception is the most telling one, unless it only wraps the others.
  const reason = [...exceptions]
    .reverse()
    .reduce<FailureReason | null>((found, exception) => found ?? toReason(toText(exception), exception.location), null);
  return toFailure(reason, toText(last));
}

function toText({ type, message }: PythonException): string {
  return message === '' ? type : `${type}: ${message}`;
}

function toReason(text: string, at: string | null): FailureReason | null {
  const sign = signs.find(({ pattern, location }) => pattern.test(text) && (location === undefined || (at !== null && location.test(at))));
  return sign?.reason ?? null;
}

/** argparse prints its usage, then one line with the error, and ends with 2. */
function findRefusedArguments(lines: readonly string[], goesOn: number): FailureData | null {
  const usage = lines.findIndex((line, i) => i > goesOn && line.startsWith('usage: '));
  const said = usage === -1 ? undefined : lines.slice(usage).find((line) => /^[\w ./-]{1,100}: error: /.test(line));
  return said === undefined ? null : toFailure(toReason(said, null) ?? reasons.setting, said);
}

/** What a shell says about a process that was killed. */
function findKill(lines: readonly string[], goesOn: number): FailureData | null {
  const said = lines.find((line, i) => i > goesOn && /^(?:\S{1,100}: line \d{1,9}: +\d{1,9} Killed\b.*|Killed)$/.test(line));
  return said === undefined ? null : toFailure(reasons.killed, said);
}

const longestMessage = 600;

function toFailure(reason: FailureReason | null, said: string): FailureData {
  const kind = reason ?? unnamed;
  const words = said
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\bhf_[A-Za-z0-9]{20,}/g, '<token>')
    .trim();
  const shown = words.length > longestMessage ? `${words.slice(0, longestMessage)}…` : words;
  const { retryable } = failureKinds[kind.code];
  return { code: kind.code, cause: kind.cause, message: `${kind.what}: ${shown}`, hint: kind.hint, retryable };
}

const unnamed: FailureReason = {
  code: 'training-failed',
  cause: 'program',
  what: 'the training program failed',
  hint: 'the log of the run has the whole traceback',
};

import { failureKinds, type FailureData } from '../../src/errors.ts';
import { claimedLine } from './container/program.ts';
import { findFailure, type JobEnd } from './find-failure.ts';

/** Why a job failed: what its log tells, also where the job itself ended with 0; null where nothing does. */
export function findEndFailure(lines: readonly string[], end: JobEnd): FailureData | null {
  if (lines.some((line) => line.trim() === claimedLine)) {
    const message = 'the job found its attempt claimed, by another job of it or because the program had given it up, and trained nothing';
    return toFailure('request-refused', message, 'look at the other job, or submit again with --again');
  }
  const reported = findFailure(lines, end);
  const own = lines.findLast((line) => ownWords.test(line.trim()))?.trim();
  // The program in the container says how the engine ended. The engine itself says why, where it does; the service only repeats the status.
  const isExplained =
    reported !== null && (reported.code !== 'training-failed' || /: (?:\w+\.)*\w*(?:Error|Exception)\b/.test(reported.message));
  if (own === undefined || isExplained) return reported;
  return toFailure(
    'training-failed',
    `the training program failed: ${own.replace('orchestrate: ', '')}`,
    'the log of the run has all that it said',
  );
}

/** Of a job that ended well and has no model: where it brought one, if it did, there is none any more. */
export function findMissingModel(lines: readonly string[]): FailureData | null {
  const [, repository] =
    /^orchestrate: the model is in (\S+)$/.exec(lines.findLast((line) => line.includes(modelLine))?.trim() ?? '') ?? [];
  if (repository === undefined) return null;
  return toFailure(
    'model-unavailable',
    `the job brought its model to ${repository}, where there is none any more`,
    'train it again with --again',
  );
}

const modelLine = 'orchestrate: the model is in ';
const ownWords = /^orchestrate: (?:the engine ended with|the model could not be uploaded)/;

function toFailure(code: 'model-unavailable' | 'request-refused' | 'training-failed', message: string, hint: string): FailureData {
  const { cause, retryable } = failureKinds[code];
  return { code, cause, message, hint, retryable };
}

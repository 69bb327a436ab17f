import { Failure, failureKinds, type FailureData } from '../../src/errors.ts';

/** The process ends with its failure as one JSON line; anything else that it printed is shown as it is. */
export function parsePredictFailure(printed: string, status: number | null): Failure {
  const last = printed.trim().split('\n').at(-1) ?? '';
  try {
    const { failure } = JSON.parse(last) as { failure: FailureData };
    if (failure.code in failureKinds)
      return new Failure(failure.code, failure.message, failure.hint === null ? {} : { hint: failure.hint });
  } catch {
    // no failure of ours
  }
  return new Failure('trainer-died', `the predicting process ended with status ${status ?? 'none'}: ${last}`);
}

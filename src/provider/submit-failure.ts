import { Failure, toFailureData, type FailureData } from '../errors.ts';

/** Whether a submission was sent, for every way in which it can fail. `unknown`: it may have been. */
export type Sent = 'no' | 'refused' | 'limited' | 'unknown';

/** Thrown by `create`; everything else that it throws counts as `unknown`. */
export class SubmitFailure extends Error {
  readonly sent: Sent;
  readonly failure: FailureData;

  constructor(sent: Sent, failure: Failure | FailureData) {
    super(failure.message, failure instanceof Failure ? { cause: failure } : undefined);
    this.name = 'SubmitFailure';
    this.sent = sent;
    this.failure = failure instanceof Failure ? toFailureData(failure) : failure;
  }
}

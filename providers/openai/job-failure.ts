import { z } from 'zod';
import { Failure, toFailureData, type FailureCode, type FailureData } from '../../src/errors.ts';

const JobError = z.looseObject({ code: z.string().nullish(), message: z.string().nullish(), param: z.string().nullish() });

interface Explanation {
  readonly code: FailureCode;
  readonly hint: string;
}

const badData: Explanation = { code: 'data-invalid', hint: 'mend the rows, then submit again: changed data is a new run' };
const noQuota: Explanation = { code: 'quota-exhausted', hint: "add credit, or raise the limit, in the service's billing settings" };

/** The service's codes for jobs that have failed; any other one is the service's own trouble, as far as anybody can tell. */
const explanations: Readonly<Record<string, Explanation>> = {
  invalid_training_file: badData,
  invalid_validation_file: badData,
  invalid_n_examples: badData,
  invalid_file_format: badData,
  exceeded_quota: noQuota,
  insufficient_quota: noQuota,
  billing_hard_limit_reached: noQuota,
};

const itsOwn: Explanation = { code: 'service-unavailable', hint: '`orchestrate logs` tells what it said; submit again with --again' };

/** Why a job has failed, in the service's words. @param service its name for people */
export function toJobFailure(error: unknown, service: string): FailureData {
  const { code, message, param } = JobError.safeParse(error).data ?? {};
  const explanation = (code != null && Object.hasOwn(explanations, code) ? explanations[code] : undefined) ?? itsOwn;
  const baseUrl = [code, param].filter((word) => word != null && word !== '').join(', ');
  const said = message == null || message === '' ? 'it does not say why' : message;
  const text = `${service}: the job has failed: ${said}${baseUrl === '' ? '' : ` (${baseUrl})`}`;
  return toFailureData(new Failure(explanation.code, text, { hint: explanation.hint }));
}

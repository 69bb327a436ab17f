import { z } from 'zod';
import { Failure, toFailureData, type FailureData } from '../../src/errors.ts';
import { isObject } from '../../src/lib/json.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { toSendOutcome, type RequestInfo } from '../../src/provider-kit/http.ts';
import type { Explanation, OpenAICompatibleConfig } from './config.ts';

const noQuota: Explanation = {
  code: 'quota-exhausted',
  hint: "add credit, or raise the spending limit, in the service's billing settings; then submit again",
};
const noModel: Explanation = {
  code: 'model-unavailable',
  hint: 'give the dated name of a model that can be tuned, such as gpt-4.1-mini-2025-04-14, or take another provider',
};
const noKey: Explanation = {
  code: 'credentials-invalid',
  hint: 'check the key: whether it is whole, not revoked, and belongs to this address, organization and project',
};
const noPermission: Explanation = {
  code: 'credentials-invalid',
  hint: 'the key works but may not do this: it needs write permission for files and for fine-tuning in this project',
};

/** What the words of services for a refusal mean. */
const refusals: Readonly<Record<string, Explanation>> = {
  model_not_available: noModel,
  model_not_found: noModel,
  insufficient_quota: noQuota,
  billing_hard_limit_reached: noQuota,
  exceeded_quota: noQuota,
  invalid_api_key: noKey,
  invalid_organization: noKey,
  mismatched_organization: noKey,
};

type Explanations = NonNullable<OpenAICompatibleConfig['explanations']>;

/** Whatever a call threw as one Failure, with what to do where the service's word for it is known. */
export function toServiceFailure(thrown: unknown, info: RequestInfo, explanations: Explanations = {}): Failure {
  return explain(thrown, info, explanations).failure;
}

/** The same for the one call that may cost. */
export function toSubmitFailure(thrown: unknown, info: RequestInfo, explanations: Explanations = {}): SubmitFailure {
  if (thrown instanceof SubmitFailure) return thrown;
  const { sent, failure } = explain(thrown, info, explanations);
  return new SubmitFailure(sent, failure);
}

function explain(thrown: unknown, info: RequestInfo, explanations: Explanations): ReturnType<typeof toSendOutcome> {
  const outcome = toSendOutcome(thrown, info);
  const explanation = outcome.sent === 'refused' ? findExplanation(thrown, { ...refusals, ...explanations }) : null;
  if (explanation === null) return outcome;
  const { retryAfterMs, status, message } = outcome.failure;
  const answered = { ...(status === null ? {} : { status }), ...(retryAfterMs === null ? {} : { retryAfterMs }) };
  return { sent: outcome.sent, failure: new Failure(explanation.code, message, { hint: explanation.hint, ...answered }) };
}

function findExplanation(thrown: unknown, explanations: Explanations): Explanation | null {
  const { status, code, type } = getAnswer(thrown);
  const word = [code, type].find((candidate) => typeof candidate === 'string' && Object.hasOwn(explanations, candidate));
  if (word !== undefined) return explanations[word as string]!;
  if (status === 401) return noKey;
  return status === 403 ? noPermission : null;
}

/** What the service says in an error of the official client; nulls where the error holds no answer. */
export function getAnswer(error: unknown): {
  readonly status: number | null;
  readonly code: unknown;
  readonly type: unknown;
  readonly param: unknown;
  readonly message: string;
} {
  const isAnswer = error instanceof Error && 'status' in error && typeof error.status === 'number';
  if (!isAnswer) return { status: null, code: null, type: null, param: null, message: '' };
  const { status, message } = error as Error & { status: number };
  const { error: body } = error as { error?: unknown };
  // The client of Together keeps the whole body, that of OpenAI the words of its error.
  const { code, type, param } = (isObject(body) && isObject(body['error']) ? body['error'] : error) as {
    code?: unknown;
    type?: unknown;
    param?: unknown;
  };
  return { status, code, type, param, message };
}

const JobError = z.looseObject({ code: z.string().nullish(), message: z.string().nullish(), param: z.string().nullish() });

const badData: Explanation = { code: 'data-invalid', hint: 'correct the rows, then submit again: changed data is a new run' };

/** What the words of services for failed jobs mean. Any other one is the service's own trouble, as far as anybody can tell. */
const jobErrors: Readonly<Record<string, Explanation>> = {
  invalid_training_file: badData,
  invalid_validation_file: badData,
  invalid_n_examples: badData,
  invalid_file_format: badData,
  exceeded_quota: noQuota,
  insufficient_quota: noQuota,
  billing_hard_limit_reached: noQuota,
};
const itsOwn: Explanation = { code: 'service-unavailable', hint: '`orchestrate logs` shows what it said; submit again with --again' };

/** Why a job has failed, in the service's words. @param service its name for people */
export function toJobFailure(error: unknown, service: string): FailureData {
  const { code, message, param } = JobError.safeParse(error).data ?? {};
  const explanation = (code != null && Object.hasOwn(jobErrors, code) ? jobErrors[code] : undefined) ?? itsOwn;
  const details = [code, param].filter((word) => word != null && word !== '').join(', ');
  const reason = message == null || message === '' ? 'it does not say why' : message;
  const text = `${service}: the job has failed: ${reason}${details === '' ? '' : ` (${details})`}`;
  return toFailureData(new Failure(explanation.code, text, { hint: explanation.hint }));
}

import type { Context } from '../../src/provider/context.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure, type FailureCode } from '../../src/errors.ts';
import { createRedactor, toSendOutcome } from '../../src/provider-kit/http.ts';
import { toSecrets, type Dialect } from './dialect.ts';

/** How failures are told: what was asked, without credentials. */
export interface RequestInfo {
  readonly what: string;
  readonly redact: (text: string) => string;
  readonly now: Date;
}

/** @param call such as `POST /files` */
export function toRequestInfo(dialect: Dialect, context: Context, call: string): RequestInfo {
  const [method, path] = call.split(' ', 2);
  return {
    what: `${method} ${dialect.getBaseUrl(context)}${path}`,
    redact: createRedactor(toSecrets(dialect, context)),
    now: context.now(),
  };
}

interface Explanation {
  readonly code: FailureCode;
  readonly hint: string;
}

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

/** What the service's own words for a refusal mean. */
const explanations: Readonly<Record<string, Explanation>> = {
  training_not_available: {
    code: 'training-unavailable',
    hint: 'OpenAI ends fine-tuning: first for organizations that do not use it, from 2027-01-06 for all; take another provider, such as "azure", or "local" for a classifier',
  },
  model_not_available: noModel,
  model_not_found: noModel,
  insufficient_quota: noQuota,
  billing_hard_limit_reached: noQuota,
  exceeded_quota: noQuota,
  DeploymentNotFound: {
    code: 'model-unavailable',
    hint: 'a tuned model of Azure answers while it is deployed: `orchestrate deploy RUN --hours N` does that, and costs by the hour',
  },
  // It is there, and answers some seconds or minutes later.
  DeploymentNotReady: { code: 'service-unavailable', hint: 'run the command again in some minutes: the deployment is not ready yet' },
  invalid_api_key: noKey,
  invalid_organization: noKey,
  mismatched_organization: noKey,
};

const noPermission: Explanation = {
  code: 'credentials-invalid',
  hint: 'the key works and may not do this: it needs write permission for files and for fine-tuning in this project',
};

/** Whatever a call threw as one Failure, with what to do where the service's word for it is known. */
export function toServiceFailure(thrown: unknown, info: RequestInfo): Failure {
  return explain(thrown, info).failure;
}

/** The same for the one call that may cost. */
export function toSubmitFailure(thrown: unknown, info: RequestInfo): SubmitFailure {
  if (thrown instanceof SubmitFailure) return thrown;
  const { sent, failure } = explain(thrown, info);
  return new SubmitFailure(sent, failure);
}

function explain(thrown: unknown, info: RequestInfo): ReturnType<typeof toSendOutcome> {
  const outcome = toSendOutcome(thrown, info);
  const explanation = outcome.sent === 'refused' ? findExplanation(thrown) : null;
  if (explanation === null) return outcome;
  const { retryAfterMs, message } = outcome.failure;
  const details = { hint: explanation.hint, ...(retryAfterMs === null ? {} : { retryAfterMs }) };
  return { sent: outcome.sent, failure: new Failure(explanation.code, message, details) };
}

function findExplanation(thrown: unknown): Explanation | null {
  if (!(thrown instanceof Error)) return null;
  const { status, code, type } = thrown as Error & { status?: unknown; code?: unknown; type?: unknown };
  const words = [code, type].filter((word) => typeof word === 'string');
  const word = words.find((one) => Object.hasOwn(explanations, one));
  if (word !== undefined) return explanations[word] ?? null;
  if (status === 401) return noKey;
  return status === 403 ? noPermission : null;
}

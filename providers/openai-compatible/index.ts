import type { ModelRef } from '../../src/provider/model.ts';
import { defineProvider, type Inference, type Provider, type Quote } from '../../src/provider/provider.ts';
import type { Context } from '../../src/provider/context.ts';
import { readCredential } from '../../src/provider-kit/settings.ts';
import { checkService, createAccount } from './account.ts';
import { createApi, type Api } from './client.ts';
import type { Auth, OpenAICompatibleConfig } from './config.ts';
import { getDeprecation } from './deprecations.ts';
import { createJobs } from './jobs.ts';
import { observe, type OpenAICursor } from './observe.ts';
import { predict } from './predict.ts';
import { priceTokens, quotePredictions, quoteTraining } from './prices.ts';
import { createTranslation, type CreateBody, type CreateRequest, type Prepared } from './request.ts';
import { createUploads } from './upload.ts';

export type { Auth, JobLabel, OpenAICompatibleConfig, Price } from './config.ts';

/** OpenAI's words for a job. `pausing` and `paused` are on the wire though its client does not name them. */
export const openaiStatusMap = {
  validating_files: 'validating',
  queued: 'queued',
  running: 'running',
  pausing: 'paused',
  paused: 'paused',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;

/** The user's key as a bearer, as most services want it. @throws Failure `credentials-invalid` */
export function readBearer(name: string, hint: string): (context: Context) => Auth {
  return (context) => readCredential(context, [name], hint);
}

const inEndpoint: Quote = {
  currency: 'USD',
  low: 0,
  high: 0,
  source: 'answers of a deployed model are in the price of its endpoint',
  asOf: null,
};

/** Answers rows as OpenAI does, priced by the token, or by the time of an endpoint. */
export function createInference(api: Api): Inference {
  const isPaid = (model: ModelRef): boolean =>
    api.config.paysByTime === true && model.kind === 'endpoint' && model.needsDeployment === true;
  return {
    getModel: (name, context) => api.getModel(name, context),
    predict: (model, rows, context) => predict(api, { model, rows }, context),
    price: (model, tokens, context) => (isPaid(model) ? 0 : priceTokens(api, { model, tokens }, context)),
    quote: async (model, rows, context) => (isPaid(model) ? inEndpoint : await quotePredictions(api, { model, rows }, context)),
  };
}

/** A provider that speaks the fine-tuning API of OpenAI. */
export function createOpenAICompatible(config: OpenAICompatibleConfig): Provider {
  const api = createApi(config);
  const { id, statusMap, listingDelayMs = 60_000 } = config;
  return defineProvider<CreateRequest, Prepared, CreateBody, OpenAICursor>({
    id,
    statusMap,
    listingDelayMs,
    onUncertain: 'ask',
    training: {
      ...createTranslation(api),
      ...createUploads(api),
      ...createJobs(api),
      observe: async (job, cursor, context) => await observe(api, { job, cursor }, context),
      quote: async (request, context) => await (config.quote?.(request, context) ?? quoteTraining(api, request, context)),
      // Models that need a deployment cannot be asked before they are tuned either.
      ...(config.needsDeployment === true ? {} : { baseModel: ({ model }, context) => api.getModel(model, context) }),
    },
    inference: createInference(api),
    account: createAccount(api),
    getDeprecation: (model) => getDeprecation(api, model),
    check: async (context) => await checkService(api, context),
  });
}

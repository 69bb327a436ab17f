import { isFailure } from '../../src/errors.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import { defineProvider, type Inference } from '../../src/provider/provider.ts';
import { getSecrets } from '../../src/provider-kit/settings.ts';
import { createInference } from '../openai-compatible/index.ts';
import { api, config } from './client.ts';
import { deployments } from './deployments.ts';
import { account, jobs, readSupported } from './jobs.ts';
import { inspectModel } from './limits.ts';
import { observe, type TogetherCursor } from './observe.ts';
import { bind, preview, translate, type CreateBody, type CreateRequest, type Prepared } from './request.ts';
import { uploads } from './upload.ts';

const checkMs = 15_000;

const inference = createInference(api);

/** A model that was deployed costs by the minute that its endpoint runs; its answers cost nothing more. */
function isDeployed(model: ModelRef): boolean {
  return model.kind === 'endpoint' && model.needsDeployment === true;
}

const quote: NonNullable<Inference['quote']> = async (model, rows, context) => {
  const free = {
    currency: 'USD',
    low: 0,
    high: 0,
    source: 'answers of a deployed model are in the price of its endpoint',
    asOf: null,
  } as const;
  return isDeployed(model) ? free : ((await inference.quote?.(model, rows, context)) ?? null);
};

const price: NonNullable<Inference['price']> = (model, tokens, context) =>
  isDeployed(model) ? 0 : (inference.price?.(model, tokens, context) ?? null);

/** Together: chat models, tuned by its own routes, that answer on endpoints by the minute. */
export const together = defineProvider<CreateRequest, Prepared, CreateBody, TogetherCursor>({
  id: 'together',
  statusMap: config.statusMap,
  listingDelayMs: 60_000,
  onUncertain: 'ask',
  training: {
    inspectModel,
    translate,
    preview,
    bind,
    ...uploads,
    ...jobs,
    observe: async (job, cursor, context) => await observe({ job, cursor }, context),
  },
  inference: { ...inference, quote, price },
  deployments,
  account,
  async check(context) {
    const { name, credentials } = config;
    if (getSecrets(context, credentials).length === 0)
      return [{ name, ok: null, found: `not set up: ${credentials.join(' and ')} not set`, hint: null }];
    try {
      const models = await readSupported(context, checkMs);
      return [{ name, ok: true, found: `the key works at ${api.readBaseUrl(context)}, ${models.length} models to tune`, hint: null }];
    } catch (error) {
      if (!isFailure(error)) throw error;
      return [{ name, ok: false, found: error.message, hint: error.hint }];
    }
  },
});

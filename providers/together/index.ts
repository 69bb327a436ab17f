import { defineProvider } from '../../src/provider/provider.ts';
import type { PartsCursor } from '../../src/provider-kit/job-parts.ts';
import { checkKey } from '../openai-compatible/account.ts';
import { createInference } from '../openai-compatible/index.ts';
import { createUploads } from '../openai-compatible/upload.ts';
import { api, config } from './client.ts';
import { deployments } from './deployments.ts';
import { account, jobs, readSupported } from './jobs.ts';
import { inspectModel } from './limits.ts';
import { observe } from './observe.ts';
import { bind, preview, translate, type CreateBody, type CreateRequest, type Prepared } from './request.ts';
import { uploadSteps } from './upload.ts';

/** Together: chat models, tuned by its own routes, that answer on endpoints by the minute. */
export const together = defineProvider<CreateRequest, Prepared, CreateBody, PartsCursor>({
  id: config.id,
  statusMap: config.statusMap,
  listingDelayMs: 60_000,
  onUncertain: 'ask',
  training: {
    inspectModel,
    translate,
    preview,
    bind,
    ...createUploads(api, uploadSteps),
    ...jobs,
    observe: async (job, cursor, context) => await observe({ job, cursor }, context),
  },
  inference: createInference(api),
  deployments,
  account,
  check: async (context) =>
    await checkKey(api, context, async (deadlineMs) => `${(await readSupported(context, deadlineMs)).length} models to tune`),
});

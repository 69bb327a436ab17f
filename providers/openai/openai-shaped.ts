import type { JobRef } from '../../src/provider/job.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { check } from './check.ts';
import type { OpenAICursor } from './cursor.ts';
import type { Dialect } from './dialect.ts';
import { toEndpointModel } from './endpoint.ts';
import { getDeprecation } from './deprecations.ts';
import { fetchJob } from './fetch-job.ts';
import { listFiles } from './list-files.ts';
import { listJobs } from './list-jobs.ts';
import { listModels } from './list-models.ts';
import { observe } from './observe.ts';
import { predict } from './predict.ts';
import { prepare } from './prepare.ts';
import { preview } from './preview.ts';
import { quote, quotePredictions } from './quote.ts';
import type { OpenAIRequest, Prepared, Wire } from './request.ts';
import { cancel, pause, resume } from './controls.ts';
import { bind, create, discard, fence, find } from './submit.ts';
import { translate } from './translate.ts';

/** A provider that speaks the fine-tuning API of OpenAI in this dialect. */
export function createOpenAICompatible(dialect: Dialect): Provider {
  const { id, statusMap, listingDelayMs } = dialect;
  return defineProvider<OpenAIRequest, Prepared, Wire, OpenAICursor>({
    id,
    statusMap,
    listingDelayMs,
    onUncertain: 'ask',
    training: {
      translate: (input) => translate(dialect, input),
      preview,
      prepare: async (request, context) => await prepare(dialect, request, context),
      bind,
      create: async (wire, context) => await create(dialect, wire, context),
      find: async (_request, prepared, context) => await find(dialect, prepared, context),
      fence: async (prepared, context) => await fence(dialect, prepared, context),
      discard: async (prepared, context) => await discard(dialect, prepared, context),
      observe: async (job, cursor, context) => await observe(dialect, { job, cursor }, context),
      cancel: async (job: JobRef, context) => await cancel(dialect, job, context),
      pause: async (job: JobRef, context) => await pause(dialect, job, context),
      resume: async (job: JobRef, context) => await resume(dialect, job, context),
      quote: async (request, context) => await quote(dialect, request, context),
      ...(dialect.baseModel === undefined ? {} : { baseModel: (request, context) => dialect.baseModel!(request, context) }),
    },
    inference: {
      getModel: (name, context) => toEndpointModel(dialect, name, context),
      predict: (model: ModelRef, rows, context) => predict(dialect, { model, rows }, context),
      quote: async (model, rows, context) => await quotePredictions(dialect, { model, rows }, context),
    },
    account: {
      jobs: (context) => listJobs(dialect, context),
      models: (context) => listModels(dialect, context),
      files: (context) => listFiles(dialect, context),
      fetchJob: async (job, folder, context) => await fetchJob(dialect, { id: job, folder }, context),
    },
    getDeprecation: (model) => getDeprecation(dialect, model),
    check: async (context) => await check(dialect, context),
  });
}

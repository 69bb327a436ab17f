import type { JobRef } from '../../src/provider/job.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { check } from './check.ts';
import type { OpenAICursor } from './cursor.ts';
import type { Dialect } from './dialect.ts';
import { toEndpoint } from './endpoint.ts';
import { toEnd } from './deprecations.ts';
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
export function openaiShaped(dialect: Dialect): Provider {
  const { id, words, settleMs } = dialect;
  return defineProvider<OpenAIRequest, Prepared, Wire, OpenAICursor>({
    id,
    words,
    settleMs,
    onUncertain: 'ask',
    translate: (input) => translate(dialect, input),
    preview,
    prepare: async (request, c) => await prepare(dialect, request, c),
    bind,
    create: async (wire, c) => await create(dialect, wire, c),
    find: async (_request, prepared, c) => await find(dialect, prepared, c),
    fence: async (prepared, c) => await fence(dialect, prepared, c),
    discard: async (prepared, c) => await discard(dialect, prepared, c),
    observe: async (job, cursor, c) => await observe(dialect, { job, cursor }, c),
    cancel: async (job: JobRef, c) => await cancel(dialect, job, c),
    pause: async (job: JobRef, c) => await pause(dialect, job, c),
    resume: async (job: JobRef, c) => await resume(dialect, job, c),
    ...(dialect.baseModel === undefined ? {} : { baseModel: (request, c) => dialect.baseModel!(request, c) }),
    toEnd: (model) => toEnd(dialect, model),
    listModels: (c) => listModels(dialect, c),
    listJobs: (c) => listJobs(dialect, c),
    listFiles: (c) => listFiles(dialect, c),
    fetchJob: async (job, folder, c) => await fetchJob(dialect, { id: job, folder }, c),
    toModel: (name, c) => toEndpoint(dialect, name, c),
    quote: async (request, c) => await quote(dialect, request, c),
    check: async (c) => await check(dialect, c),
    predict: (model: ModelRef, rows, c) => predict(dialect, { model, rows }, c),
    quotePredictions: async (model, rows, c) => await quotePredictions(dialect, { model, rows }, c),
  });
}

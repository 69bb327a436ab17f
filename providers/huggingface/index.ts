import type { JobRef } from '../../src/provider/job.ts';
import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { baseModel } from './base-model.ts';
import { check } from './check.ts';
import { listResources, deleteResource } from './clean.ts';
import type { HubCursor } from './cursor.ts';
import { download } from './download.ts';
import { observe } from './observe.ts';
import { prepare } from './prepare.ts';
import { preview } from './preview.ts';
import { quote } from './quote.ts';
import { logLimits, type LogLimits } from './read-log.ts';
import type { HubRequest, Prepared, Wire } from './request.ts';
import { cancel } from './controls.ts';
import { bind, create, discard, fence, find } from './submit.ts';
import { toModel as getModel } from './to-model.ts';
import { translate } from './translate.ts';
import { statusMap } from './status.ts';

/** The provider with other patience for the logs of running jobs. */
export function createHuggingFace(limits: LogLimits = logLimits): Provider {
  return defineProvider<HubRequest, Prepared, Wire, HubCursor>({
    id: 'huggingface',
    statusMap,
    listingDelayMs: 60_000,
    onUncertain: 'ask',
    // A look is about four requests, and a free account has 1000 in five minutes.
    rate: { perSecond: 0.7, burst: 30 },
    training: {
      translate,
      preview,
      prepare,
      bind,
      create,
      find,
      fence,
      discard,
      observe: async (job, cursor, context) => await observe({ job, cursor, limits }, context),
      cancel: async (job: JobRef, context) => await cancel(job, context),
      quote,
      baseModel,
    },
    inference: { getModel, download },
    account: { resources: { list: listResources, delete: deleteResource } },
    check,
  });
}

/** AutoTrain, TRL and transformers on Hugging Face Jobs. */
export const huggingface = createHuggingFace();

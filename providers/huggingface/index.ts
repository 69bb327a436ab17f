import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { check, deleteResource, listResources } from './account.ts';
import { bringData } from './dataset.ts';
import { logLimits, type LogLimits } from './job-log.ts';
import { cancel, statusMap } from './jobs.ts';
import { baseModel, download, getModel } from './model.ts';
import { observe, type HubCursor } from './observe.ts';
import { prepare } from './prepare.ts';
import { quote } from './prices.ts';
import { publish } from './publish.ts';
import type { HubRequest, Prepared, Wire } from './request.ts';
import { bind, create, discard, fence, find, preview } from './submit.ts';
import { translate } from './translate.ts';

/** The provider with other limits for the logs of running jobs. */
export function createHuggingFace(limits: LogLimits = logLimits): Provider {
  return defineProvider<HubRequest, Prepared, Wire, HubCursor>({
    id: 'huggingface',
    statusMap,
    listingDelayMs: 60_000,
    onUncertain: 'ask',
    // A poll is about four requests, and a free account has 1000 in five minutes.
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
      cancel,
      quote,
      baseModel,
    },
    inference: { getModel, download },
    account: { bringData, publish, resources: { list: listResources, delete: deleteResource } },
    check,
  });
}

/** AutoTrain, TRL and transformers on Hugging Face Jobs. */
export const huggingface = createHuggingFace();

import { defineProvider } from '../../src/provider/provider.ts';
import { inspectModel } from './base-model.ts';
import { check } from './check.ts';
import { cancel, pause, resume } from './controls.ts';
import { estimate } from './estimate.ts';
import { install, parts } from './install/index.ts';
import { merge } from './merge.ts';
import { observe, statusMap } from './observe.ts';
import { open } from './open-model.ts';
import { predict } from './predict.ts';
import { loadRowTokenizer } from './row-tokenizer.ts';
import { listSizes } from './sizes.ts';
import { bind, create, fence, find, prepare } from './submit.ts';
import { translate, type LocalRequest } from './translate.ts';

/** Trains on this machine, in a process of its own that outlives the command which started it. */
export const local = defineProvider({
  id: 'local',
  statusMap,
  listingDelayMs: 2000,
  onUncertain: 'retry',
  training: {
    inspectModel,
    translate,
    prepare,
    bind,
    create,
    find,
    fence,
    observe,
    cancel,
    pause,
    resume,
    async quote() {
      return await Promise.resolve({ currency: 'USD', low: 0, high: 0, source: 'this machine', asOf: null } as const);
    },
    estimate,
    sizes: listSizes,
    baseModel({ model, training, task }: LocalRequest) {
      const { folder: path, revision, labels, isMultiLabel, maxLength, keepsHead } = model;
      const head = `a new head${isMultiLabel ? ' for several labels' : ''} of seed ${training.seed}`;
      return {
        kind: 'folder',
        identity: task !== undefined ? revision : keepsHead ? `${revision} with its own head` : `${revision} with ${head}`,
        path,
        labels,
        ...(isMultiLabel ? { isMultiLabel } : {}),
        seed: training.seed,
        maxLength,
        ...(keepsHead || task !== undefined ? { hasOwnHead: true } : {}),
      } as const;
    },
  },
  inference: { predict, open: async (model, context) => await open(model, context), merge },
  loadTokenizer: loadRowTokenizer,
  check,
  parts,
  install,
});

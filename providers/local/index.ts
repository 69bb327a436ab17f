import { defineProvider } from '../../src/provider/provider.ts';
import { check } from './check.ts';
import { observe } from './observe.ts';
import { predict } from './predict.ts';
import { cancel, pause, resume } from './controls.ts';
import { bind, create, fence, find, prepare } from './submit.ts';
import { statusMap } from './status.ts';
import { translate, type LocalRequest } from './translate.ts';

/** Trains on this machine, in a process of its own that outlives the command which started it. */
export const local = defineProvider({
  id: 'local',
  statusMap,
  listingDelayMs: 2000,
  onUncertain: 'retry',
  training: {
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
    baseModel({ model, training }: LocalRequest) {
      const { folder: path, revision, labels, maxLength } = model;
      return {
        kind: 'folder',
        identity: `${revision} with a new head of seed ${training.seed}`,
        path,
        labels,
        seed: training.seed,
        maxLength,
      } as const;
    },
  },
  inference: { predict },
  check,
});

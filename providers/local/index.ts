import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { spawnCheck } from '../../src/lib/process.ts';
import type { Context } from '../../src/provider/context.ts';
import { defineProvider, type Check } from '../../src/provider/provider.ts';
import { backends, type Backend } from '../../src/trainer/backends/index.ts';
import type { CheckAnswer } from '../../src/trainer/protocol.ts';
import { inspectModel } from './base-model.ts';
import { cancel, pause, resume } from './controls.ts';
import { estimate } from './estimate.ts';
import { merge } from './merge.ts';
import { observe, statusMap } from './observe.ts';
import { predict } from './predict.ts';
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
  inference: { predict, merge },
  check,
});

/** Takes a real training step on each backend, in a process of its own. */
async function check(context: Context): Promise<Check[]> {
  return await Promise.all(backends.map(async (backend) => await checkBackend(backend, context)));
}

async function checkBackend({ id, description, precision, threads, hint }: Backend, context: Context): Promise<Check> {
  const name = `backend ${id}`;
  const child = spawnCheck(id, context.signal);
  await once(child, 'spawn');
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [printed, errors, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  if (status !== 0) return { name, ok: false, found: errors.trim().split('\n').at(-1) ?? `status ${status}`, hint };
  const { milliseconds, loss } = JSON.parse(printed) as CheckAnswer;
  const ok = Number.isFinite(loss);
  const computes = `${precision}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return { name, ok, found: `a training step in ${milliseconds.toFixed(1)} ms (${description}; ${computes})`, hint: ok ? null : hint };
}

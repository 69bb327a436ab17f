import { once } from 'node:events';
import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import { spawnTraining } from '../../src/lib/process.ts';

/** How long a trainer may take to say that it has started, or that it stops. */
export const startMs = 30_000;
export const startLookMs = 20;

/**
 * Starts the trainer of the run folder as a process of its own and looks until `find` finds what it waits for. Returns null when the
 * process has ended before that, `undefined` when the time is over.
 */
export async function startTrainer<T>(context: Attempt, find: () => Promise<T | null>): Promise<T | null | undefined> {
  context.signal.throwIfAborted();
  const child = spawnTraining(context.workDir, join(context.workDir, 'trainer.log'));
  const exited = once(child, 'exit').then(() => true);
  for (let waited = 0; waited < startMs; waited += startLookMs) {
    const ended = await Promise.race([exited, context.wait(startLookMs).then(() => false)]);
    const found = await find();
    if (found !== null) return found;
    if (ended) return null;
  }
  return undefined;
}

/** How many threads share the batches of a training: as many as the job says, else as many as pay on this machine. */
import { availableParallelism } from 'node:os';
import type { Context } from '../../src/provider/context.ts';
import type { TrainingNeeds } from './needs.ts';
import { getJobs } from './run-folder.ts';
import type { LocalRequest } from './translate.ts';

/** What more threads do was not measured; who asks for them gets them. */
const mostThreads = 2;
/** A shorter step of one thread gains nothing: a small model of 45 ms took a quarter longer, and one of 1,145 ms two thirds of the time. */
const leastStepMs = 300;
/** How long it takes to start one. */
const startSeconds = 0.5;
/** A further thread has to save a tenth of the time: it takes memory, and time of a processor that others may want. */
const leastGain = 0.9;

/**
 * @param getNeeds what the training needs with so many threads
 * @param limits the cores and the memory of this machine
 */
export function chooseThreads(
  { threads }: Pick<LocalRequest, 'threads'>,
  getNeeds: (threads: number) => TrainingNeeds,
  { cores, bytes }: { readonly cores: number; readonly bytes: number },
): number {
  if (threads !== undefined) return threads;
  const most = Math.min(mostThreads, cores);
  if (most < 2) return 1;
  const [alone, shared] = [getNeeds(1), getNeeds(most)];
  if (1000 * alone.seconds < leastStepMs * alone.steps) return 1;
  return shared.memoryBytes <= bytes && shared.seconds + startSeconds < leastGain * alone.seconds ? most : 1;
}

/** The cores that a training may have where `ORCHESTRATE_LOCAL_JOBS` of them run at the same time. */
export function countCores(context: Pick<Context, 'setting'>): number {
  return Math.floor(availableParallelism() / getJobs(context));
}

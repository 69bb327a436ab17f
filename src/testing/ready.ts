import { toLiveSignal, toStored } from './checks.ts';
import type { ConformanceEnvironment } from './subject.ts';
import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';
import type { TranslationInput } from '../provider/provider.ts';

/** An attempt that is ready for `create`. */
export interface Ready {
  readonly request: unknown;
  readonly prepared: unknown;
  readonly wire: unknown;
  readonly context: Attempt;
}

/** Translates, prepares and binds, with everything stored in between, as the core does it. */
export async function makeReady({ provider, toAttempt }: ConformanceEnvironment, input: TranslationInput, attempt = 1): Promise<Ready> {
  const context = toAttempt(input.key, attempt, toLiveSignal());
  const request = toStored(provider.training.translate(structuredClone(input)).request);
  const prepared = toStored(await provider.training.prepare(request, context));
  return { request, prepared, wire: toStored(provider.training.bind(request, prepared, context.key, attempt)), context };
}

/** The listed jobs; where `expected` are not all there yet, once more after `settleMs`. */
export async function look(
  { provider }: ConformanceEnvironment,
  { request, prepared, context }: Ready,
  expected: readonly JobRef[],
): Promise<readonly JobRef[]> {
  const jobs = await provider.training.find(request, [prepared], context);
  if (expected.every((job) => jobs.some(({ id }) => id === job.id))) return jobs;
  await context.wait(provider.listingDelayMs);
  return await provider.training.find(request, [prepared], context);
}

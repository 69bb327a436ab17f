import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { isTerminalPhase, type Phase } from '../../src/provider/status.ts';
import { callService } from './call-service.ts';
import { checkBaseUrl } from './check-base-url.ts';
import type { Dialect } from './dialect.ts';
import { readJob, toJobPath } from './read-job.ts';
import { toPhase } from './status.ts';

/** Stops a job for good. One that has ended is left alone. */
export async function cancel(dialect: Dialect, job: JobRef, context: Context): Promise<void> {
  await steer(dialect, { job, verb: 'cancel', isNeedless: isTerminalPhase }, context);
}

/** Whether a pause has no use (it is paused, or has ended) or comes too early: it is asked for again until it is seen. */
function isNoTimeToPause(phase: Phase): boolean {
  return phase !== 'running' && phase !== 'unknown';
}

/** Stops a running job where it can go on later. */
export async function pause(dialect: Dialect, job: JobRef, context: Context): Promise<void> {
  await steer(dialect, { job, verb: 'pause', isNeedless: isNoTimeToPause }, context);
}

/** Lets a paused job go on. One that runs, or has ended, is left alone. */
export async function resume(dialect: Dialect, job: JobRef, context: Context): Promise<JobRef> {
  await steer(dialect, { job, verb: 'resume', isNeedless: (phase) => phase !== 'paused' && phase !== 'unknown' }, context);
  return job;
}

/**
 * Asks something of a job. The service refuses what is done already, and an answer may be lost: how the job stands then decides.
 * @throws Failure where the job still stands otherwise than was asked
 */
async function steer(
  dialect: Dialect,
  { job, verb, isNeedless }: { readonly job: JobRef; readonly verb: string; isNeedless(phase: Phase): boolean },
  context: Context,
): Promise<void> {
  checkBaseUrl(dialect, { what: `the job ${job.id}`, baseUrl: job.location }, context);
  const path = `${toJobPath(job.id)}/${verb}`;
  try {
    await callService({ dialect, call: `POST ${path}` }, context, async (client) => await client.post<unknown>(path));
  } catch (error) {
    context.signal.throwIfAborted();
    const { status } = await readJob(dialect, job.id, context);
    if (!isNeedless(toPhase(dialect, status))) throw error;
  }
}

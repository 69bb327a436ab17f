import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { openHub } from './client.ts';
import { parseLocation } from './endpoint.ts';
import { readJob, toJobsPath } from './jobs-api.ts';
import { toPhase } from './observe.ts';

/**
 * Stops a job for good; one that has ended is left alone. The answer says little: what the job is afterwards decides.
 * @throws Failure where the job goes on although it was asked to stop and the service refused
 */
export async function cancel(job: JobRef, context: Context): Promise<void> {
  const namespace = parseLocation(job, `the job ${job.id}`, context);
  const hub = openHub(context);
  const hasEnded = async (): Promise<boolean> => isTerminalPhase(toPhase((await readJob(hub, namespace, job.id)).status.stage));
  if (await hasEnded()) return;
  const path = `${toJobsPath(namespace, job.id)}/cancel`;
  try {
    await hub.call(`POST ${path}`, async () => await hub.request('POST', path));
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(await hasEnded())) throw error;
    return;
  }
  await hasEnded();
}

import type { Driver } from './driver.ts';
import type { RunPlan } from './event.ts';
import { toFirstRecord } from './fold.ts';
import { takeLease } from './lease.ts';
import { acceptRun, appendEvents, type StoredRun } from './run-store.ts';
import { adoptOldest } from './settle.ts';

/**
 * The state was lost, or is on another machine: looks at the providers for jobs of these plans' keys and takes those that are found
 * into the store. Submits nothing, and stores nothing for a plan without a job.
 */
export async function adoptByKey(driver: Driver, plans: readonly RunPlan[]): Promise<StoredRun[]> {
  const adopted: StoredRun[] = [];
  for (const plan of plans) {
    const at = driver.now().toISOString();
    const record = toFirstRecord({ type: 'run-accepted', plan, number: 1 }, at);
    const unstored: StoredRun = { key: plan.key, version: 0, record, look: null, metrics: {} };
    const found = await adoptOldest(driver.provider(unstored), record, driver.attempt(unstored));
    if (found === null) continue;
    const run = await acceptRun(driver.store, plan, at);
    const lease = await takeLease(driver.store, run.key, driver);
    if (lease === null) continue; // another process adopts it at this moment
    try {
      const events = [...found.events, { type: 'job-adopted', job: found.job } as const];
      adopted.push(await appendEvents(driver.store, run.key, { events, at, fence: lease.fence }));
    } finally {
      await lease.release();
    }
  }
  return adopted;
}

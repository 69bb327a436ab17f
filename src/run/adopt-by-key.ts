import type { Note } from '../provider/note.ts';
import type { Failure } from '../errors.ts';
import type { Driver } from './driver.ts';
import type { RunPlan } from './event.ts';
import { toFirstRecord } from './fold.ts';
import { takeLease } from './lease.ts';
import { acceptFoundRun, appendEvents, type StoredRun } from './run-store.ts';
import { adoptOldestJob } from './reconcile.ts';

/**
 * The state was lost, or is on another machine: looks at the providers for jobs of these plans' keys and takes those that are found
 * into the store. Submits nothing, and stores nothing for a plan without a job. A job that exists is paid for: the budget refuses none.
 */
export async function adoptByKey(driver: Driver, plans: readonly RunPlan[]): Promise<StoredRun[]> {
  const adopted: StoredRun[] = [];
  for (const plan of plans) {
    const at = driver.now().toISOString();
    const record = toFirstRecord({ type: 'run-accepted', plan, number: 1 }, at);
    const unstored: StoredRun = { key: plan.key, version: 0, record, lastPoll: null, metrics: {} };
    const found = await adoptOldestJob(driver.provider(unstored), record, driver.attempt(unstored));
    if (found === null) continue;
    const { run, overrun } = await acceptFoundRun(driver.store, plan, at);
    const lease = await takeLease(driver.store, run.key, driver);
    if (lease === null) continue; // another process adopts it at this moment
    try {
      const notes = overrun === null ? [] : [{ type: 'note-added', note: toOverrunNote(overrun) } as const];
      const events = [...found.events, ...notes, { type: 'job-adopted', job: found.job } as const];
      adopted.push(await appendEvents(driver.store, run.key, { events, at, fence: lease.fence }));
    } finally {
      await lease.release();
    }
  }
  return adopted;
}

function toOverrunNote({ message }: Failure): Note {
  return {
    type: 'warning',
    message: `its job was found at the provider and is paid for, although the budget has no room for it: ${message}`,
  };
}

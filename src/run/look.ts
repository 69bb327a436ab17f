import { isFailure } from '../errors.ts';
import { advance } from './advance.ts';
import { findRun, type StoredRun } from './run-store.ts';
import { isEnded } from './transitions.ts';
import type { Driver } from './workspace.ts';

/** Whether a poll may bring something new: the job exists, and its end was not seen yet. */
export function isOpen({ record }: StoredRun): boolean {
  return record.job !== null && !isEnded(record.state);
}

/**
 * Polls the jobs that may have changed: those whose next poll is due, where no rate limit has to be waited for. A job of this machine is
 * always due. What cannot be seen now stays as it was seen last.
 * @param driver has a signal that ends the polls, and `isPatient` false
 * @param signal the user's own, which is not taken for the end of the polls
 */
export async function lookAtRuns(driver: Driver, runs: readonly StoredRun[], signal: AbortSignal): Promise<StoredRun[]> {
  return await Promise.all(
    runs.map(async (run) => {
      if (!isOpen(run)) return run;
      try {
        return await advance(driver, run);
      } catch (error) {
        signal.throwIfAborted();
        // A service that cannot be seen now must not hide the other runs; `wait` says what is wrong with it.
        if (!isFailure(error) && !driver.context.signal.aborted) throw error;
        return (await findRun(driver.store, run.key)) ?? run;
      }
    }),
  );
}

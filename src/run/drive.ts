import { Failure } from '../failure.ts';
import { advance, type Driver } from './advance.ts';
import type { StoredRun } from './run-store.ts';
import { toRunId } from './run-view.ts';
import { isEnded, type RunState } from './transitions.ts';

const unsubmitted: readonly RunState[] = ['accepted', 'preparing', 'submitting', 'uncertain'];

/**
 * Drives an accepted run until its job exists, or nothing more can be done.
 * @throws Failure `service-unavailable` where the submission could surely not be sent
 */
export async function driveSubmission(driver: Driver, accepted: StoredRun): Promise<StoredRun> {
  let run = accepted;
  while (unsubmitted.includes(run.record.state)) {
    const next = await advance(driver, run);
    if (
      run.record.state === 'preparing' &&
      next.record.state === 'preparing' &&
      next.record.prepared.length === run.record.prepared.length
    ) {
      throw new Failure('service-unavailable', `${toRunId(run.record)} could not be sent`, { hint: 'submit it again later' });
    }
    run = next;
  }
  return run;
}

/** Follows runs to their ends, one list a look; ends when none can go on by itself. Creates nothing. */
export async function* followRuns(
  driver: Driver,
  followed: readonly StoredRun[],
  { now, wait }: { now(): Date; wait(ms: number): Promise<void> },
): AsyncGenerator<readonly StoredRun[]> {
  let runs = followed;
  for (;;) {
    runs = await Promise.all(runs.map(async (run) => (isEnded(run.record.state) ? run : await advance(driver, run))));
    yield runs;
    const open = runs.filter(({ record: { state } }) => !isEnded(state) && !['accepted', 'preparing', 'attention'].includes(state));
    if (open.length === 0) return;
    const next = Math.min(...open.map(({ look }) => (look?.nextAt == null ? 0 : Date.parse(look.nextAt))));
    await wait(Math.max(0, next - now().getTime()));
  }
}

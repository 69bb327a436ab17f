import { Failure, isFailure, toFailureData } from '../errors.ts';
import { advance } from './advance.ts';
import type { Driver } from './driver.ts';
import type { StoredRun } from './run-store.ts';
import { toRunId } from './run-view.ts';
import { isEnded, type RunState } from './transitions.ts';

const unsubmitted: readonly RunState[] = ['accepted', 'preparing', 'submitting', 'uncertain'];

/** Submissions that surely were not sent are repeated so often, after these pauses; then the command ends and says so. */
const pausesMs = [1000, 4000];

/** Another worker has the run, or nothing can be done yet. */
const idleMs = 100;

interface Driving {
  wait(ms: number): Promise<void>;
  /** Hears of each step: settling a lost answer takes as long as the service may need to list a job. */
  tell(run: StoredRun): void;
}

/**
 * Drives accepted runs, one after the other, until their jobs exist. A target that fails keeps no other one from its submission.
 * @throws Failure of the first one that failed, which tells what became of the others
 */
export async function driveSubmissions(
  driver: Driver,
  accepted: readonly StoredRun[],
  { signal, ...driving }: Driving & { readonly signal: AbortSignal },
): Promise<StoredRun[]> {
  const runs: StoredRun[] = [];
  const failed: { readonly id: string; readonly error: unknown }[] = [];
  for (const run of accepted) {
    try {
      runs.push(await driveSubmission(driver, run, driving));
    } catch (error) {
      signal.throwIfAborted();
      failed.push({ id: toRunId(run.record), error });
    }
  }
  if (failed.length === 0) return runs;
  const { error } = failed[0]!;
  if (!isFailure(error)) throw error;
  const lines = failed.map(({ id, error: one }) => `${id}: ${toFailureData(one).message}`);
  const others = runs.map(({ record }) => `${toRunId(record)} is ${record.state}`).join(', ');
  const hints = [error.hint, others === '' ? null : `the other targets have nothing to do with it: ${others}`].filter(
    (hint) => hint !== null,
  );
  throw new Failure(error.code, lines.join('\n'), { ...(hints.length === 0 ? {} : { hint: hints.join('\n') }), error });
}

/**
 * Drives an accepted run until its job exists, or nothing more can be done. A run whose job exists is looked at once, so that an
 * interrupted one goes on.
 * @throws Failure `service-unavailable` where the submission could surely not be sent
 */
async function driveSubmission(driver: Driver, accepted: StoredRun, { wait, tell }: Driving): Promise<StoredRun> {
  let run = accepted;
  let unsent = 0;
  while (unsubmitted.includes(run.record.state)) {
    const next = await advance(driver, run);
    if (next.record.unsent > run.record.unsent && !next.record.cancelRequested) {
      const pause = pausesMs[unsent++];
      if (pause === undefined) {
        throw toUnsent(next);
      }
      await wait(pause);
    } else if (next.version === run.version) await wait(idleMs);
    if (next.record.state !== run.record.state) tell(next);
    run = next;
  }
  return run.record.state === 'interrupted' ? await advance(driver, run) : run;
}

function toUnsent({ record }: StoredRun): Failure {
  const { code, message } = record.failure!;
  return new Failure(code, `it could not be sent: ${message}`, { hint: 'submit it again later: nothing was started' });
}

/** Follows runs to their ends, one list a look; ends when none can go on by itself. Creates nothing. */
export async function* followRuns(
  driver: Driver,
  followed: readonly StoredRun[],
  { now, wait }: { now(): Date; wait(ms: number): Promise<void> },
): AsyncGenerator<readonly StoredRun[]> {
  let runs = followed;
  for (;;) {
    runs = await Promise.all(runs.map(async (run) => await advance(driver, run)));
    yield runs;
    const open = runs.filter(
      ({ record: { state } }) => !isEnded(state) && !['accepted', 'preparing', 'attention', 'paused'].includes(state),
    );
    if (open.length === 0) return;
    const next = Math.min(...open.map(({ lastPoll }) => (lastPoll?.nextPollAt == null ? 0 : Date.parse(lastPoll.nextPollAt))));
    await wait(Math.max(idleMs, next - now().getTime()));
  }
}

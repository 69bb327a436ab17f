import { Failure, isFailure, toFailureData } from '../errors.ts';
import { advance } from './advance.ts';
import { resumeStopped } from './controls.ts';
import { toRunId } from './record.ts';
import { withLease } from './lease.ts';
import { releaseUnsent } from './accept.ts';
import type { StoredRun } from './run-store.ts';
import { isEnded, type RunState } from './transitions.ts';
import type { Driver } from './workspace.ts';

const unsubmitted: readonly RunState[] = ['accepted', 'preparing', 'submitting', 'uncertain'];

/** The pauses before a submission that was certainly not sent is repeated; after the last one the command fails. */
const pausesMs = [1000, 4000];

/** The pause while another process works on the run, or nothing can be done yet. */
const idleMs = 100;

/** Is called after each step: finding out about a lost answer takes as long as the service may need to list a job. */
type OnChange = (run: StoredRun) => void;

/** The runs whose jobs exist, or that have ended, and why others could not be submitted. */
export interface Submissions {
  readonly runs: readonly StoredRun[];
  /** The first failure, with all in its message, and the state of the other targets in its hint. */
  readonly failure: Failure | null;
}

/** Drives accepted runs, one after the other, until their jobs exist. A target that fails does not stop the others. */
export async function driveSubmissions(driver: Driver, accepted: readonly StoredRun[], onChange: OnChange): Promise<Submissions> {
  const runs: StoredRun[] = [];
  const failed: { readonly id: string; readonly error: unknown }[] = [];
  for (const run of accepted) {
    try {
      runs.push(await driveSubmission(driver, run, onChange));
    } catch (error) {
      driver.context.signal.throwIfAborted();
      await withLease(driver, run.key, async (current) => await releaseUnsent(driver.store, current));
      failed.push({ id: toRunId(run.record), error });
    }
  }
  if (failed.length === 0) return { runs, failure: null };
  const { error } = failed[0]!;
  if (!isFailure(error)) throw error;
  const lines = failed.map(({ id, error: cause }) => `${id}: ${toFailureData(cause).message}`);
  const others = runs.map(({ record }) => `${toRunId(record)} is ${record.state}`).join(', ');
  const hints = [error.hint, others === '' ? null : `the other targets are not affected: ${others}`].filter((hint) => hint !== null);
  const hint = hints.length === 0 ? {} : { hint: hints.join('\n') };
  return { runs, failure: new Failure(error.code, lines.join('\n'), { ...hint, error }) };
}

/**
 * Drives an accepted run until its job exists, or nothing more can be done. A run whose job was interrupted, or stopped by a failure, is resumed.
 * @throws Failure where the submission was certainly not sent
 */
async function driveSubmission(driver: Driver, accepted: StoredRun, onChange: OnChange): Promise<StoredRun> {
  const { wait } = driver.context;
  let run = accepted;
  let unsent = 0;
  while (unsubmitted.includes(run.record.state)) {
    const next = await advance(driver, run);
    if (next.record.unsent > run.record.unsent && !next.record.cancelRequested) {
      const pause = pausesMs[unsent++];
      if (pause === undefined) throw createUnsentFailure(next);
      await wait(pause);
    } else if (next.version === run.version) await wait(idleMs);
    if (next.record.state !== run.record.state) onChange(next);
    run = next;
  }
  return run.record.state === 'interrupted' ? await advance(driver, run) : await resumeStopped(driver, run);
}

function createUnsentFailure({ record }: StoredRun): Failure {
  const { code, message, hint } = record.failure!;
  const again = 'nothing was started; submit it again later';
  return new Failure(code, `it could not be sent: ${message}`, { hint: hint === null ? again : `${hint}; ${again}` });
}

/**
 * Follows runs until none can go on by itself, and yields all of them after each round of polls. Creates nothing.
 * @param wait pauses between two rounds; it may end early, which a wait of the driver must not
 */
export async function* followRuns(
  driver: Driver,
  followed: readonly StoredRun[],
  wait = driver.context.wait,
): AsyncGenerator<readonly StoredRun[]> {
  let runs = followed;
  let isFirst = true;
  for (;;) {
    runs = await advanceAll(driver, runs);
    // What was stopped before goes on now: its user has run the command again. What stops from now on does not.
    if (isFirst) runs = await Promise.all(runs.map(async (run) => await resumeStopped(driver, run)));
    isFirst = false;
    yield runs;
    const open = runs.filter(
      ({ record: { state } }) => !isEnded(state) && !['accepted', 'preparing', 'attention', 'paused'].includes(state),
    );
    if (open.length === 0) return;
    const next = Math.min(...open.map(({ lastPoll }) => (lastPoll?.nextPollAt == null ? 0 : Date.parse(lastPoll.nextPollAt))));
    await wait(Math.max(idleMs, next - driver.context.now().getTime()));
  }
}

/** Each run one step further. One that fails does not leave the others half-way. */
async function advanceAll(driver: Driver, runs: readonly StoredRun[]): Promise<readonly StoredRun[]> {
  const results = await Promise.allSettled(runs.map(async (run) => await advance(driver, run)));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

import type { RunKey } from '../job/run-key.ts';
import { appendEvents, findRun, LostLease, type PollChange, type StoredRun } from './run-store.ts';
import type { RunEvent } from './event.ts';
import type { Workspace } from './workspace.ts';

/** The right to work on a run. The fencing number grows whenever the lease changes hands: what an earlier holder writes is refused. */
export interface Lease {
  readonly fence: number;
  release(): Promise<void>;
}

export interface LeaseTerms {
  /** A lease that is not renewed for so long has ended: its process has died or hangs, and another one may take the lease. */
  readonly leaseMs: number;
  now(): Date;
}

/** Whether a lease has ended. One that would last longer than any that is given was written before the clock was set back. */
export function hasLeaseEnded(until: number, { leaseMs, now }: LeaseTerms): boolean {
  const at = now().getTime();
  return until < at || until > at + 2 * leaseMs;
}

/**
 * Renews a lease three times in its length until the returned function is called. The next renewal makes up for one that fails; if all
 * fail the lease ends, as it should.
 */
export function startRenewing({ leaseMs, now }: LeaseTerms, renew: (until: number) => Promise<unknown>): () => void {
  const renewing = setInterval(() => void renew(now().getTime() + leaseMs).catch(() => {}), leaseMs / 3);
  renewing.unref();
  return () => clearInterval(renewing);
}

type LeaseWorkspace = Pick<Workspace, 'store' | 'owner' | 'leaseMs' | 'context'>;

/** Takes the lease of a run and renews it until it is released; null while another process holds it. */
export async function takeLease({ store, owner, leaseMs, context: { now } }: LeaseWorkspace, key: RunKey): Promise<Lease | null> {
  const at = now().getTime();
  const taken = await store
    .updateTable('run')
    .set((eb) => ({ lease_owner: owner, lease_until: at + leaseMs, fence: eb('fence', '+', 1) }))
    .where('key', '=', key)
    // as `hasLeaseEnded`
    .where((eb) => eb.or([eb('lease_owner', 'is', null), eb('lease_until', '<', at), eb('lease_until', '>', at + 2 * leaseMs)]))
    .returning('fence')
    .executeTakeFirst();
  if (taken === undefined) return null;
  const { fence } = taken;
  const stop = startRenewing({ leaseMs, now }, async (until) => {
    await store.updateTable('run').set({ lease_until: until }).where('key', '=', key).where('fence', '=', fence).execute();
  });
  return {
    fence,
    async release() {
      stop();
      await store.updateTable('run').set({ lease_owner: null, lease_until: 0 }).where('key', '=', key).where('fence', '=', fence).execute();
    },
  };
}

/** Stores what has happened to a run. @throws LostLease */
export type Append = (events: readonly RunEvent[], change?: PollChange) => Promise<StoredRun>;

/** Works on a run under its lease; null while another process works on it, or when it has taken the lease meanwhile. */
export async function withLease<T>(
  workspace: LeaseWorkspace,
  key: RunKey,
  work: (run: StoredRun, append: Append) => Promise<T>,
): Promise<T | null> {
  const lease = await takeLease(workspace, key);
  if (lease === null) return null;
  const { store, context } = workspace;
  try {
    return await work((await findRun(store, key))!, async (events, change) => {
      return await appendEvents(store, key, { events, at: context.now().toISOString(), fence: lease.fence, ...change });
    });
  } catch (error) {
    if (error instanceof LostLease) return null;
    throw error;
  } finally {
    // A release that fails must not hide what went wrong: the lease ends by itself.
    await lease.release().catch(() => {});
  }
}

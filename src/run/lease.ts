import type { RunKey } from '../job/run-key.ts';
import type { Store } from '../store/open-store.ts';

/** The right to work on a run. The fencing number grows whenever the lease changes hands: what an earlier holder writes is refused. */
export interface Lease {
  readonly key: RunKey;
  readonly fence: number;
  release(): Promise<void>;
}

export interface LeaseTerms {
  /** Describes this process to people: `process 123 on host`. */
  readonly owner: string;
  /** A lease that is not renewed for so long has ended: its process has died or hangs, and another one may take the lease. */
  readonly leaseMs: number;
  now(): Date;
}

/** Whether a lease has ended. One that would last longer than any that is given was written before the clock was set back. */
export function hasLeaseEnded(until: number, { leaseMs, now }: Omit<LeaseTerms, 'owner'>): boolean {
  const at = now().getTime();
  return until < at || until > at + 2 * leaseMs;
}

/**
 * Renews a lease three times in its length until the returned function is called. The next renewal makes up for one that fails; if all
 * fail the lease ends, as it should.
 */
export function startRenewing({ leaseMs, now }: Omit<LeaseTerms, 'owner'>, renew: (until: number) => Promise<unknown>): () => void {
  const renewing = setInterval(() => void renew(now().getTime() + leaseMs).catch(() => {}), leaseMs / 3);
  renewing.unref();
  return () => clearInterval(renewing);
}

/** Takes the lease of a run and renews it until it is released; null while another worker holds it. */
export async function takeLease(store: Store, key: RunKey, { owner, leaseMs, now }: LeaseTerms): Promise<Lease | null> {
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
    key,
    fence,
    async release() {
      stop();
      await store.updateTable('run').set({ lease_owner: null, lease_until: 0 }).where('key', '=', key).where('fence', '=', fence).execute();
    },
  };
}

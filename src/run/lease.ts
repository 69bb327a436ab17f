import type { RunKey } from '../job/run-key.ts';
import type { Store } from '../store/open-store.ts';

/** The right to work on a run. The fencing number grows with every change of hands: what an earlier holder writes is refused. */
export interface Lease {
  readonly key: RunKey;
  readonly fence: number;
  release(): Promise<void>;
}

export interface LeaseTerms {
  /** Names this worker among all processes. */
  readonly owner: string;
  /** A lease that is not renewed for so long falls to the next who asks: its holder has died or stands still. */
  readonly leaseMs: number;
  now(): Date;
}

/** Takes the lease of a run and renews it until it is released; null while another worker holds it. */
export async function takeLease(store: Store, key: RunKey, { owner, leaseMs, now }: LeaseTerms): Promise<Lease | null> {
  const at = now().getTime();
  const taken = await store
    .updateTable('run')
    .set((eb) => ({ lease_owner: owner, lease_until: at + leaseMs, fence: eb('fence', '+', 1) }))
    .where('key', '=', key)
    // One that would last longer than any is given was written before the clock was set back.
    .where((eb) => eb.or([eb('lease_owner', 'is', null), eb('lease_until', '<', at), eb('lease_until', '>', at + 2 * leaseMs)]))
    .returning('fence')
    .executeTakeFirst();
  if (taken === undefined) return null;
  const { fence } = taken;
  const renewing = setInterval(() => {
    const until = now().getTime() + leaseMs;
    // A renewal that fails is made up for by the next one; when all fail the lease runs out, as it should.
    void store
      .updateTable('run')
      .set({ lease_until: until })
      .where('key', '=', key)
      .where('fence', '=', fence)
      .execute()
      .catch(() => {});
  }, leaseMs / 3);
  renewing.unref();
  return {
    key,
    fence,
    async release() {
      clearInterval(renewing);
      await store.updateTable('run').set({ lease_owner: null, lease_until: 0 }).where('key', '=', key).where('fence', '=', fence).execute();
    },
  };
}

/** `node claim-first.ts FOLDER`: what a worker does when it starts: opens the store, lists the open runs that are due, claims the first. */
import { takeLease } from '../../src/run/lease.ts';
import { openStore } from '../../src/store/open-store.ts';

const store = openStore(process.argv[2]!);
const now = (): Date => new Date();
const due = await store.selectFrom('run').selectAll().where('next_at', '<=', now().getTime()).orderBy('next_at').limit(100).execute();
const context = { now, signal: new AbortController().signal, wait: async () => {}, setting: () => null, credential: () => null };
for (const { key } of due) {
  const lease = await takeLease({ store, owner: String(process.pid), leaseMs: 60_000, context }, key);
  if (lease === null) continue;
  await lease.release();
  break;
}
await store.destroy();

/** `node claim-first.ts FOLDER`: what a worker does when it starts: opens the store, lists the open runs that are due, claims the first. */
import { takeLease } from '../../src/run/lease.ts';
import { listDueRuns } from '../../src/run/run-store.ts';
import { openStore } from '../../src/store/open-store.ts';

const store = openStore(process.argv[2]!);
const now = (): Date => new Date();
const due = await listDueRuns(store, now(), 100);
for (const { key } of due) {
  const lease = await takeLease(store, key, { owner: String(process.pid), leaseMs: 60_000, now });
  if (lease === null) continue;
  await lease.release();
  break;
}
await store.destroy();

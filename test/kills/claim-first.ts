/** `node claim-first.ts FOLDER`: what a worker does when it starts: opens the store, lists the open runs that are due, claims the first. */
import { takeLease } from '../../src/run/lease.ts';
import { listRuns } from '../../src/run/run-store.ts';
import { isEnded } from '../../src/run/transitions.ts';
import { openStore } from '../../src/store/open-store.ts';

const store = openStore(process.argv[2]!);
const now = (): Date => new Date();
const due = (await listRuns(store)).filter(({ record, look }) => {
  return !isEnded(record.state) && (look?.nextAt == null || Date.parse(look.nextAt) <= now().getTime());
});
for (const { key } of due) {
  const lease = await takeLease(store, key, { owner: String(process.pid), leaseMs: 60_000, now });
  if (lease === null) continue;
  await lease.release();
  break;
}
await store.destroy();

import type { Attempt } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';
import type { RunEvent } from './event.ts';
import type { LeaseTerms } from './lease.ts';
import type { PollChange, StoredRun } from './run-store.ts';

/** What `advance` works with. It holds no state of a run: all that it knows of one comes from the store. */
export interface Driver extends LeaseTerms {
  readonly store: Store;
  provider(run: StoredRun): Provider;
  /** The context for the run's present attempt. */
  attempt(run: StoredRun): Attempt;
  /** In [0, 1). */
  random(): number;
  /** Whether `create` may be called: only a submission may pay, never a wait. */
  readonly mayCreate: boolean;
  /** Look at once, due or not: a person is waiting for it. */
  readonly force?: boolean;
}

/** One step of a run under its lease. */
export interface Step {
  readonly driver: Driver;
  readonly run: StoredRun;
  readonly provider: Provider;
  readonly context: Attempt;
  /** Stores what has happened. @throws LostLease */
  append(events: readonly RunEvent[], look?: PollChange): Promise<StoredRun>;
}

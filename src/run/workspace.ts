import { join } from 'node:path';
import type { Attempt, Context } from '../provider/context.ts';
import type { BroughtData, Provider } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';
import { toRunId } from './record.ts';
import { createRowReader } from './run-data.ts';
import type { StoredRun } from './run-store.ts';

/** What all work on runs and answers needs: the state, the world outside, and the providers. */
export interface Workspace {
  readonly store: Store;
  /** The state folder, an absolute path. */
  readonly dir: string;
  readonly context: Context;
  /**
   * The provider with this id; `target` is for the message.
   * @throws Failure `job-file-invalid` where there is none
   */
  provider(id: string, target: string): Provider;
  /** Brings the files that a source of the Hub names to this machine. Absent: there is no such source. */
  bringData?(source: string, context: Context): Promise<BroughtData>;
  /** Describes this process to people: `process 123 on host`. */
  readonly owner: string;
  /** A lease that is not renewed for so long has ended: its process has died or hangs. */
  readonly leaseMs: number;
}

/** What drives runs. It holds no state of a run: all that it knows about one comes from the store. */
export interface Driver extends Workspace {
  /** Whether `create` may be called: only a submission may pay, never a wait. */
  readonly mayCreate: boolean;
  /** Polls at once, even if the next poll is planned for later: a person is waiting. */
  readonly force?: boolean;
  /** False leaves a poll for which the rate limit would have to be waited for. */
  readonly isPatient?: boolean;
  /** In [0, 1). */
  random(): number;
}

export function getProvider({ provider }: Workspace, { record: { plan } }: StoredRun): Provider {
  return provider(plan.spec.provider, plan.spec.target);
}

/** The context of the current attempt of a run. */
export function createAttempt({ context, dir }: Workspace, { key, record }: StoredRun): Attempt {
  const { plan, attempt } = record;
  const workDir = join(dir, 'runs', key);
  const queue = { folder: join(dir, 'queue'), name: toRunId(record) };
  return { ...context, key, attempt, workDir, queue, facts: plan.facts, readRows: createRowReader(dir, plan, context) };
}

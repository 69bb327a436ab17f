import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';

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
  /** Describes this process to people: `process 123 on host`. */
  readonly owner: string;
  /** A lease that is not renewed for so long has ended: its process has died or hangs. */
  readonly leaseMs: number;
}

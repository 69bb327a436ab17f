import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';

export interface Workspace {
  readonly store: Store;
  /** The state folder. */
  readonly dir: string;
  readonly context: Context;
  provider(id: string, target: string): Provider;
}

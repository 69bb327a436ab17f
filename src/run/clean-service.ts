import type { Context } from '../provider/context.ts';
import type { RemoteResource, PreparedRun } from '../provider/remote-resource.ts';
import type { Provider } from '../provider/provider.ts';
import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import { findOldRuns, type CleanOptions } from './clean-runs.ts';
import { listRuns, type StoredRun } from './run-store.ts';
import { isEnded } from './transitions.ts';

/**
 * Deletes what a provider made at its service for ended runs, the runs themselves stay; a dry run only lists. Without an address and an age
 * also what no run here needs.
 * @throws Failure `usage` for a provider that keeps nothing of ours, and those of the provider
 */
export async function cleanService(
  { store, context, provider }: { readonly store: Store; readonly context: Context; readonly provider: Provider },
  options: CleanOptions,
): Promise<RemoteResource[]> {
  const resources = provider.account?.resources;
  if (resources === undefined) {
    throw new Failure('usage', `nothing that "${provider.id}" keeps can be deleted from here`, {
      hint: '`orchestrate clean` without --provider deletes what is on this machine',
    });
  }
  const isOurs = ({ record }: StoredRun): boolean => record.plan.spec.provider === provider.id;
  const toPrepared = (runs: readonly StoredRun[]): PreparedRun<unknown>[] =>
    runs.map(({ key, record: { prepared } }) => ({ key, prepared }));
  const chosen = (await findOldRuns(store, options, context.now())).filter(isOurs);
  const open = (await listRuns(store)).filter(isOurs).filter(({ record }) => !isEnded(record.state));
  const found = await resources.list(
    {
      ended: toPrepared(chosen.filter(({ record }) => isEnded(record.state))),
      open: toPrepared(open),
      isAll: options.address === undefined && options.olderThanMs === undefined,
    },
    context,
  );
  if (!options.dryRun) for (const resource of found) await resources.delete(resource, context);
  return found;
}

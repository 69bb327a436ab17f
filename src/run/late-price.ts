import { Failure } from '../errors.ts';
import type { Attempt } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';
import { createUnknownPriceFailure, formatUsd, raiseCharge, readSpending } from './budget.ts';
import type { RunEvent } from './event.ts';
import { checkQuote } from './figures.ts';
import type { RunRecord } from './record.ts';

/**
 * Asks a service for its price that names one only for the data that it has, and reserves it: this is where such a run meets its budget,
 * after the upload and before the call that may cost.
 * @returns what is to be stored; nothing where the service names no price so late
 * @throws Failure `budget-exceeded`, also for a price that stays unknown, and what the service says against the job
 */
export async function quoteLate(
  store: Store,
  { plan }: RunRecord,
  { provider, wire, context }: { readonly provider: Provider; readonly wire: unknown; readonly context: Attempt },
): Promise<RunEvent[]> {
  if (provider.training.quotePrepared === undefined) return [];
  const { job, workspace, budget, target } = plan.spec;
  const quote = checkQuote(await provider.training.quotePrepared(wire, context));
  const name = `target "${target}"`;
  if (quote === null && budget.usd !== null) throw createUnknownPriceFailure({ job }, budget.usd, [{ id: plan.key, name, usd: null }]);
  const hasRoom =
    quote === null || (await raiseCharge(store, { job, workspace }, { id: plan.key, usd: quote.high, budgetUsd: budget.usd }));
  if (hasRoom) return [{ type: 'submission-quoted', quote }];
  const { spentUsd, reservedUsd } = await readSpending(store, job, workspace);
  const limit = `the job "${job}" has a budget of ${formatUsd(budget.usd ?? 0)}: ${formatUsd(spentUsd)} spent and ${formatUsd(reservedUsd)} reserved`;
  throw new Failure(
    'budget-exceeded',
    `${limit}, ${name} would need up to ${formatUsd(quote.high)}, as its service says of the uploaded data`,
    {
      hint: 'raise `budget.usd` in the job file, or run less of it; the uploaded data was deleted, and nothing was started',
    },
  );
}

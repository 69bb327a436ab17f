import type { Store } from '../store/open-store.ts';
import { readSpending, type Spending } from './budget.ts';
import type { RunPlan } from './event.ts';
import { findNewPlans } from './run-store.ts';

/** What a job may spend, has spent, and would spend next. */
export interface BudgetView extends Spending {
  /** `budget.usd` of the job file; null: no limit. */
  readonly budgetUsd: number | null;
  /** What may still be spent; null: no limit. Below 0 where something cost more than was set aside for it. */
  readonly leftUsd: number | null;
  /** The most that the planned runs would add, those aside that were accepted before; null where a price is not known. */
  readonly neededUsd: number | null;
}

/** What of the budget is left for the plans of one job; changes nothing. */
export async function readBudget(store: Store, plans: readonly RunPlan[]): Promise<BudgetView> {
  const { job, workspace, budget } = plans[0]!.spec;
  const spending = await readSpending(store, job, workspace);
  const prices = (await findNewPlans(store, plans)).map(({ quote }) => quote?.high ?? null);
  const neededUsd = prices.reduce<number | null>((sum, price) => (sum === null || price === null ? null : sum + price), 0);
  const leftUsd = budget.usd === null ? null : budget.usd - spending.spentUsd - spending.reservedUsd;
  return { ...spending, budgetUsd: budget.usd, leftUsd, neededUsd };
}

import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { ChargeTable } from '../store/tables.ts';
import { formatUsd, toBudgetMicroDollars, toMicroDollars, toUsd } from './money.ts';

/** What money is spent on. */
export type ChargePurpose = 'training' | 'predictions' | 'deployment';

/** Whose money: all runs, answers and endpoints of a job's name in a workspace, whichever file, target or generation they come from. */
export interface Account {
  readonly job: string;
  readonly workspace: string | null;
}

/** An amount that is set aside, or was spent. */
export interface Charge extends Account {
  /** Of a training its run key, else one that is drawn at random. */
  readonly id: string;
  readonly what: ChargePurpose;
  /** The most that it can cost; null where nobody knows. */
  readonly usd: number | null;
  /** ISO 8601, UTC. */
  readonly at: string;
}

export interface Spending {
  readonly spentUsd: number;
  /** Set aside for what has not ended, or has ended without saying what it cost. */
  readonly reservedUsd: number;
  /** Charges of which nobody knows the amount: they are in neither sum. */
  readonly unknown: number;
}

/** Something that is about to be charged. */
export interface Need {
  readonly id: string;
  /** As a message calls it: `target "gpt"`. */
  readonly name: string;
  readonly usd: number | null;
}

export async function readSpending(store: Store, job: string, workspace: string | null): Promise<Spending> {
  const { spent, reserved, unknown } = await sumCharges(store, { job, workspace });
  return { spentUsd: toUsd(spent), reservedUsd: toUsd(reserved), unknown };
}

/** In micro-dollars. */
async function sumCharges(store: Store, { job, workspace }: Account): Promise<{ spent: number; reserved: number; unknown: number }> {
  const rows = await store
    .selectFrom('charge')
    .select((eb) => [
      'state',
      eb.fn.sum<number | null>('micro_dollars').as('sum'),
      eb.fn.countAll<number>().as('all'),
      eb.fn.count<number>('micro_dollars').as('known'),
    ])
    .where('job', '=', job)
    .where('workspace', workspace === null ? 'is' : '=', workspace)
    .where('state', '!=', 'released')
    .groupBy('state')
    .execute();
  const toSum = (state: ChargeTable['state']): number => Number(rows.find((row) => row.state === state)?.sum ?? 0);
  const unknown = rows.reduce((sum, row) => sum + Number(row.all) - Number(row.known), 0);
  return { spent: toSum('spent'), reserved: toSum('reserved'), unknown };
}

/**
 * Whether the budget has room for all of these together; null: there is no limit. What is reserved or spent already needs nothing more,
 * and what costs nothing needs no room.
 * @throws Failure `budget-exceeded`, also for a price that nobody knows
 */
export async function checkBudget(
  store: Store,
  account: Account,
  { budgetUsd, needs }: { budgetUsd: number | null; needs: readonly Need[] },
): Promise<void> {
  if (budgetUsd === null) return;
  const fresh = await findFresh(store, needs);
  const unpriced = fresh.filter(({ usd }) => usd === null);
  if (unpriced.length > 0) throw toUnknownPrice(account, budgetUsd, unpriced);
  const needed = fresh.reduce((sum, { usd }) => sum + toMicroDollars(usd ?? 0), 0);
  if (needed === 0) return;
  const sums = await sumCharges(store, account);
  const left = toBudgetMicroDollars(budgetUsd) - sums.spent - sums.reserved;
  if (needed <= left) return;
  const parts = `${formatUsd(toUsd(sums.spent))} are spent, ${formatUsd(toUsd(sums.reserved))} reserved`;
  const needText = `${toNames(fresh)} would need up to ${formatUsd(toUsd(needed))}`;
  throw new Failure('budget-exceeded', `the budget of ${formatUsd(budgetUsd)} for the job "${account.job}": ${parts}, ${needText}`, {
    hint: 'raise `budget.usd` in the job file, or ask for less; nothing was started',
  });
}

function toUnknownPrice({ job }: Account, budgetUsd: number, unpriced: readonly Need[]): Failure {
  const price = unpriced.length === 1 ? 'price of' : 'prices of';
  return new Failure(
    'budget-exceeded',
    `the job "${job}" has a budget of ${formatUsd(budgetUsd)}, and nobody knows the ${price} ${toNames(unpriced)}`,
    {
      hint: 'give the prices in ORCHESTRATE_PRICES, or take `budget.usd` out of the job file; nothing was started',
    },
  );
}

function toNames(needs: readonly Need[]): string {
  const names = needs.map(({ name }) => name);
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}

async function findFresh(store: Store, needs: readonly Need[]): Promise<Need[]> {
  if (needs.length === 0) return [];
  const ids = needs.map(({ id }) => id);
  const rows = await store.selectFrom('charge').select('id').where('id', 'in', ids).where('state', '!=', 'released').execute();
  const charged = new Set(rows.map(({ id }) => id));
  return needs.filter(({ id }) => !charged.has(id));
}

/**
 * Sets an amount aside, in one transaction with the check that the budget has room for it. Doing so again with the same id changes
 * nothing, unless it was released meanwhile. Without a limit it is recorded all the same.
 * @param store or the transaction that this is a part of
 * @throws Failure `budget-exceeded`; nothing is stored then
 */
export async function reserve(store: Store, { budgetUsd, ...charge }: Charge & { readonly budgetUsd: number | null }): Promise<void> {
  const reserveIn = async (tx: Store): Promise<void> => {
    await checkBudget(tx, charge, { budgetUsd, needs: [{ id: charge.id, name: `the ${charge.what}`, usd: charge.usd }] });
    await addCharge(tx, charge);
  };
  if (store.isTransaction) await reserveIn(store);
  else await store.transaction().execute(reserveIn);
}

/** Sets an amount aside without asking the budget. One that is reserved or spent already stays as it is. */
export async function addCharge(store: Store, { id, job, workspace, what, usd, at }: Charge): Promise<void> {
  const reserved = { state: 'reserved', micro_dollars: usd === null ? null : toMicroDollars(usd), at } as const;
  await store
    .insertInto('charge')
    .values({ id, job, workspace, what, ...reserved })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(reserved).where('charge.state', '=', 'released'))
    .execute();
}

/** The cost has become known, whatever was set aside for it. */
export async function settleCharge(store: Store, id: string, usd: number): Promise<void> {
  await setCharge(store, id, { state: 'spent', usd });
}

/** Nothing will be spent. What was spent already stays so. */
export async function releaseCharge(store: Store, id: string): Promise<void> {
  await store.updateTable('charge').set({ state: 'released' }).where('id', '=', id).where('state', '=', 'reserved').execute();
}

export interface ChargeChange {
  readonly state: ChargeTable['state'];
  readonly usd: number | null;
}

export async function setCharge(store: Store, id: string, { state, usd }: ChargeChange): Promise<void> {
  await store
    .updateTable('charge')
    .set({ state, micro_dollars: usd === null ? null : toMicroDollars(usd) })
    .where('id', '=', id)
    .execute();
}

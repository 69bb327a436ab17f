import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { ChargeTable } from '../store/tables.ts';
import type { RunPlan } from './event.ts';
import type { RunRecord } from './record.ts';
import { describeReserved } from './reservations.ts';
import { isEnded } from './transitions.ts';

/** Money in the store is a whole number of micro-dollars (millionths of a US dollar), so that sums are exact. */

/** A billion dollars: a higher amount exceeds any budget just as well, and sums stay exact. */
const mostMicroDollars = 1e15;

/** Rounds to thousandths of a micro-dollar: smaller parts are rounding errors of the computation. */
function scaleToMicroDollars(usd: number): number {
  if (!(usd >= 0)) throw new Error(`expected an amount of 0 dollars or more, found ${usd}`);
  return Math.min(Math.round(usd * 1e9) / 1e3, mostMicroDollars);
}

/** The micro-dollars of a cost: rounded up, so that many small amounts never add up to more than was counted. */
export function roundUpMicroDollars(usd: number): number {
  return Math.ceil(scaleToMicroDollars(usd));
}

/** The micro-dollars of a limit: rounded down. */
export function roundDownMicroDollars(usd: number): number {
  return Math.floor(scaleToMicroDollars(usd));
}

export function toUsd(microDollars: number): number {
  return microDollars / 1e6;
}

/** `$5.00`, `$0.001234`: no digit that matters is rounded away. */
export function formatUsd(usd: number): string {
  return usd.toLocaleString('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 6 });
}

/** The line that gives the prices of models; `…` is for a person to fill in. */
export function formatPriceSetting(models: readonly string[], fields: readonly ('training' | 'input' | 'output' | 'hosting')[]): string {
  const price = fields.map((field) => `"${field}": …`).join(', ');
  const prices = models.map((model) => `${JSON.stringify(model)}: {${price}}`).join(', ');
  return `set ORCHESTRATE_PRICES='{${prices}}', in US dollars per ${fields.includes('hosting') ? 'hour' : '1M tokens'}`;
}

/** Whose money it is: that of all runs, answers and deployments of one job name in a workspace, whatever file, target or generation. */
export interface Account {
  readonly job: string;
  readonly workspace: string | null;
}

/** An amount that is reserved or was spent. */
export interface Charge extends Account {
  /** The run key for a training, else a random identifier. */
  readonly id: string;
  readonly purpose: ChargeTable['purpose'];
  /** The upper limit; null where the price is not known. */
  readonly usd: number | null;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** The process that spends a reserved amount. It renews the lease while it lives. */
export interface ChargeLease {
  /** Describes the process for people. */
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly until: number;
  /** The cost of the requests that are under way at the same time: if the process dies they may have been paid for and lost. */
  readonly inFlightUsd: number;
}

export interface Spending {
  readonly spentUsd: number;
  /** Reserved for what has not ended, or has ended at an unknown cost. */
  readonly reservedUsd: number;
  /** How many charges have an unknown amount; they are in neither sum. */
  readonly unknown: number;
}

/** Something that is about to be charged. */
export interface Need {
  readonly id: string;
  /** For messages: `target "gpt"`. */
  readonly name: string;
  readonly usd: number | null;
  /** The model whose price a person may give; absent: the price is none of a model. */
  readonly model?: string | undefined;
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
  const getSum = (state: ChargeTable['state']): number => Number(rows.find((row) => row.state === state)?.sum ?? 0);
  const unknown = rows.reduce((sum, row) => sum + Number(row.all) - Number(row.known), 0);
  return { spent: getSum('spent'), reserved: getSum('reserved'), unknown };
}

/**
 * Checks that the budget has room for all of these needs together; null means no limit. A need that is reserved or spent already takes
 * no more room, and neither does one that costs nothing.
 * @throws Failure `budget-exceeded`, also for an unknown price
 */
export async function checkBudget(
  store: Store,
  account: Account,
  { budgetUsd, needs }: { budgetUsd: number | null; needs: readonly Need[] },
): Promise<void> {
  if (budgetUsd === null) return;
  const fresh = await findUncharged(store, needs);
  const unpriced = fresh.filter(({ usd }) => usd === null);
  if (unpriced.length > 0) throw createUnknownPriceFailure(account, budgetUsd, unpriced);
  const needed = fresh.reduce((sum, { usd }) => sum + roundUpMicroDollars(usd ?? 0), 0);
  if (needed === 0) return;
  const sums = await sumCharges(store, account);
  const left = roundDownMicroDollars(budgetUsd) - sums.spent - sums.reserved;
  if (needed <= left) return;
  const { holders, hint } = await describeReserved(store, account, (amount) => formatUsd(toUsd(amount)));
  const held = holders === null ? '' : ` (${holders})`;
  const used = `${formatUsd(toUsd(sums.spent))} spent and ${formatUsd(toUsd(sums.reserved))} reserved${held}`;
  const needText = `${formatNames(fresh)} would need up to ${formatUsd(toUsd(needed))}`;
  throw new Failure('budget-exceeded', `the job "${account.job}" has a budget of ${formatUsd(budgetUsd)}: ${used}, ${needText}`, {
    hint: `${hint === null ? '' : `${hint}; else `}raise \`budget.usd\` in the job file, or run less of it; nothing was started`,
  });
}

export function createUnknownPriceFailure({ job }: Pick<Account, 'job'>, budgetUsd: number, unpriced: readonly Need[]): Failure {
  const prices = unpriced.length === 1 ? 'the price of' : 'the prices of';
  const models = new Set(unpriced.flatMap(({ model }) => model ?? []));
  const setting = models.size === 0 ? 'give the prices in ORCHESTRATE_PRICES' : formatPriceSetting([...models], ['training']);
  return new Failure(
    'budget-exceeded',
    `the job "${job}" has a budget of ${formatUsd(budgetUsd)}, but ${prices} ${formatNames(unpriced)} ${unpriced.length === 1 ? 'is' : 'are'} unknown`,
    { hint: `${setting}, or remove \`budget.usd\` from the job file; nothing was started` },
  );
}

function formatNames(needs: readonly Need[]): string {
  return new Intl.ListFormat('en-GB').format(needs.map(({ name }) => name));
}

async function findUncharged(store: Store, needs: readonly Need[]): Promise<Need[]> {
  if (needs.length === 0) return [];
  const ids = needs.map(({ id }) => id);
  const rows = await store.selectFrom('charge').select('id').where('id', 'in', ids).where('state', '!=', 'released').execute();
  const charged = new Set(rows.map(({ id }) => id));
  return needs.filter(({ id }) => !charged.has(id));
}

/**
 * Reserves an amount, in one transaction with the check that the budget has room for it. Doing so again with the same id changes
 * nothing, unless the charge was released meanwhile. Without a limit the amount is recorded all the same.
 * @param store or the transaction that this is a part of
 * @throws Failure `budget-exceeded`; then nothing is stored
 */
export async function reserve(
  store: Store,
  { budgetUsd, lease = null, ...charge }: Charge & { readonly budgetUsd: number | null; readonly lease?: ChargeLease | null },
): Promise<void> {
  const reserveIn = async (tx: Store): Promise<void> => {
    await checkBudget(tx, charge, { budgetUsd, needs: [{ id: charge.id, name: chargeNames[charge.purpose], usd: charge.usd }] });
    await addCharge(tx, charge, lease);
  };
  if (store.isTransaction) await reserveIn(store);
  else await store.transaction().execute(reserveIn);
}

const chargeNames: Readonly<Record<ChargeTable['purpose'], string>> = {
  training: 'the training',
  evaluation: 'the answers',
  texts: 'the answers',
  deployment: 'the deployment',
};

/** Reserves an amount without checking the budget. A charge that is reserved or spent already stays as it is. */
export async function addCharge(store: Store, { usd, at, ...charge }: Charge, lease: ChargeLease | null = null): Promise<void> {
  const reserved = {
    state: 'reserved',
    micro_dollars: usd === null ? null : roundUpMicroDollars(usd),
    in_flight_micro_dollars: lease === null ? null : roundUpMicroDollars(lease.inFlightUsd),
    lease_owner: lease?.owner ?? null,
    lease_until: lease?.until ?? null,
    at,
  } as const;
  await store
    .insertInto('charge')
    .values({ ...charge, ...reserved })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(reserved).where('charge.state', '=', 'released'))
    .execute();
}

/** A reserved amount and the process that spends it. */
export interface LeasedCharge extends ChargeLease {
  readonly id: string;
  readonly purpose: ChargeTable['purpose'];
}

/** The reserved charges of an account that have a lease, whether it has ended or not, oldest first. */
export async function listLeasedCharges(store: Store, { job, workspace }: Account): Promise<LeasedCharge[]> {
  const rows = await store
    .selectFrom('charge')
    .selectAll()
    .where('job', '=', job)
    .where('workspace', workspace === null ? 'is' : '=', workspace)
    .where('state', '=', 'reserved')
    .where('lease_until', 'is not', null)
    .orderBy('at')
    .orderBy('id')
    .execute();
  return rows.map(({ id, purpose, lease_owner, lease_until, in_flight_micro_dollars }) => {
    return { id, purpose, owner: lease_owner ?? '', until: lease_until ?? 0, inFlightUsd: toUsd(in_flight_micro_dollars ?? 0) };
  });
}

export async function renewChargeLease(store: Store, id: string, until: number): Promise<void> {
  await store.updateTable('charge').set({ lease_until: until }).where('id', '=', id).where('state', '=', 'reserved').execute();
}

/**
 * Raises a reserved amount, in one transaction with the check that the budget has room for the rest of it; null means no limit. False where
 * it has none: the charge stays as it is.
 */
export async function raiseCharge(
  store: Store,
  account: Account,
  { id, usd, budgetUsd }: { readonly id: string; readonly usd: number; readonly budgetUsd: number | null },
): Promise<boolean> {
  return await store.transaction().execute(async (tx) => {
    const row = await tx.selectFrom('charge').select('micro_dollars').where('id', '=', id).executeTakeFirst();
    const more = roundUpMicroDollars(usd) - Number(row?.micro_dollars ?? 0);
    const sums = await sumCharges(tx, account);
    if (budgetUsd !== null && more > roundDownMicroDollars(budgetUsd) - sums.spent - sums.reserved) return false;
    await setCharge(tx, id, { state: 'reserved', usd });
    return true;
  });
}

/** The cost has become known, whatever was reserved for it. */
export async function settleCharge(store: Store, id: string, usd: number): Promise<void> {
  await setCharge(store, id, { state: 'spent', usd });
}

/** Nothing will be spent. A charge that was spent already stays so. */
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
    .set({ state, micro_dollars: usd === null ? null : roundUpMicroDollars(usd) })
    .where('id', '=', id)
    .execute();
}

/** The most that a run may cost, as far as its price is known; nothing before a service has named it that does so late. */
export function getMostUsd({ quote, isPricedLate }: Pick<RunPlan, 'quote' | 'isPricedLate'>): number | null {
  return quote?.high ?? (isPricedLate === true ? 0 : null);
}

/**
 * The charge of a run, computed from its events. A submission that surely was not sent, or was refused, costs nothing. A run that goes
 * on reserves its upper limit. One that has ended costs what the service says; where the service does not say, the limit stays reserved.
 */
export function getRunCharge({ state, job, cost, plan }: RunRecord): ChargeChange {
  const most = job === null ? getMostUsd(plan) : (plan.quote?.high ?? null);
  if (state === 'rejected' || (state === 'cancelled' && job === null)) return { state: 'released', usd: most };
  if (!isEnded(state)) return { state: 'reserved', usd: cost === null ? most : Math.max(most ?? 0, cost.usd) };
  if (cost !== null) return { state: 'spent', usd: cost.usd };
  return { state: most === 0 ? 'spent' : 'reserved', usd: most };
}

import { randomUUID } from 'node:crypto';
import { Failure } from '../errors.ts';
import type { Quote } from '../provider/provider.ts';
import {
  formatUsd,
  listLeasedCharges,
  raiseCharge,
  renewChargeLease,
  reserve,
  settleCharge,
  type Account,
  type Charge,
  type LeasedCharge,
} from '../run/budget.ts';
import { hasLeaseEnded, startRenewing } from '../run/lease.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { Workspace } from '../run/workspace.ts';
import type { Store } from '../store/open-store.ts';
import { findUnanswered, listAnswersOfCharge, type SpendMeter } from './answers.ts';
import { createMeter, type BatchShare } from './meter.ts';
import { explainMissingPrice, quoteBatch, sumQuotes } from './prices.ts';
import type { RequestBatch } from './requests.ts';

export interface PayOptions {
  /** The most that the answers may cost, in dollars; the job's budget limits them too. */
  readonly maxUsd?: number | undefined;
}

/** What is paid for: the held-out rows of a job, for which one process at a time may ask, or texts of the user. */
export type AnswerPurpose = 'evaluation' | 'texts';

/** Whose budget pays, and how much of it may be spent. */
export interface SpendLimit {
  readonly job: string;
  readonly workspace: string | null;
  readonly purpose: AnswerPurpose;
  /** For everything about the job together; null: no such limit. */
  readonly budgetUsd: number | null;
  /** For these answers; null: no such limit. */
  readonly maxUsd: number | null;
}

/** The budget is that of the run's plan. */
export function getSpendLimit(
  { record }: StoredRun,
  { purpose, maxUsd = null }: { readonly purpose: AnswerPurpose; readonly maxUsd?: number | null | undefined },
): SpendLimit {
  const { job, workspace, budget } = record.plan.spec;
  return { job, workspace, purpose, budgetUsd: budget.usd, maxUsd };
}

/** What the answers that are not stored yet will cost; null where a price is not known. Sends nothing. */
export async function quoteUnanswered({ store, context }: Workspace, batches: readonly RequestBatch[]): Promise<Quote | null> {
  const open = await findUnanswered(store, batches);
  return sumQuotes(await Promise.all(open.map(async (batch) => await quoteBatch(batch, context))));
}

/**
 * Lets `work` fetch answers. Where they cost money, the upper estimate of all that are missing is reserved first, for all models at once.
 * At the end the charge is settled at the price of the answers, also where that is higher; where the work failed or was interrupted,
 * together with the highest price of the answers that were under way. Where the process is killed, the next one settles its charge.
 * @throws Failure `budget-exceeded`, also where answers turn out to cost more than may be spent: no more are asked then; `model-unavailable` for a model that has to be deployed first, `store-locked` where another
 *   evaluation of the job is running; nothing is sent then
 */
export async function payForAnswers<T>(
  workspace: Workspace,
  { limit, batches }: { readonly limit: SpendLimit; readonly batches: readonly RequestBatch[] },
  work: (meter: SpendMeter) => Promise<T>,
): Promise<T> {
  const { store, context, leaseMs } = workspace;
  const open = await findUnanswered(store, batches);
  checkDeployed(open);
  const quotes = await Promise.all(open.map(async (batch) => await quoteBatch(batch, context)));
  const quote = sumQuotes(quotes);
  if (quote === null) throw await explainMissingPrice(open, context);
  const shares = new Map(open.map((batch, i) => [batch.client, getShare(batch, quotes[i]!)]));
  if (quote.high === 0) return await work(createMeter(open, { context, shares, account: null }));
  checkLimits(quote, limit, open);
  const inFlightUsd = Math.max(...[...shares.values()].map(({ underWayUsd }) => underWayUsd));
  const charge = await reserveAnswers(workspace, limit, { usd: quote.high, inFlightUsd });
  const stopRenewing = startRenewing({ leaseMs, now: context.now }, async (until) => await renewChargeLease(store, charge, until));
  const raise = async (usd: number): Promise<boolean> =>
    (limit.maxUsd === null || usd <= limit.maxUsd) && (await raiseCharge(store, limit, { id: charge, usd, budgetUsd: limit.budgetUsd }));
  const meter = createMeter(open, { context, shares, account: { charge, quotedUsd: quote.high, raise } });
  let isBroken = true;
  try {
    const done = await work(meter);
    isBroken = false;
    const overrun = meter.getOverrun();
    if (overrun !== null) throw overrun; // all was answered, and cost more than it may
    return done;
  } finally {
    stopRenewing();
    await settleCharge(store, charge, meter.getBookedUsd(isBroken && meter.getOverrun() === null));
  }
}

/**
 * Reserves money for answers under a lease, and returns the charge's identifier. Two evaluations of a job at once would pay for the same
 * answers: in one transaction with the reservation it is checked that no other one is running. A process that was killed keeps its lease
 * for a short time, and this waits for its end.
 * @throws Failure `store-locked`, and `budget-exceeded`
 */
async function reserveAnswers(
  workspace: Workspace,
  { job, workspace: team, purpose, budgetUsd }: SpendLimit,
  { usd, inFlightUsd }: { readonly usd: number; readonly inFlightUsd: number },
): Promise<string> {
  const { store, context, owner, leaseMs } = workspace;
  const account = { job, workspace: team };
  const findRunning = async (of: Store): Promise<LeasedCharge | undefined> =>
    (await listLeasedCharges(of, account)).find(
      (charge) => purpose === 'evaluation' && charge.purpose === purpose && !hasLeaseEnded(charge.until, { leaseMs, now: context.now }),
    );
  const running = await findRunning(store);
  if (running !== undefined) await context.wait(running.until - context.now().getTime() + 1);
  await settleAbandonedCharges(workspace, account);
  const charge: Charge = { ...account, id: randomUUID(), purpose, usd, at: context.now().toISOString() };
  await store.transaction().execute(async (tx) => {
    const other = await findRunning(tx);
    if (other !== undefined) {
      throw new Failure('store-locked', `another evaluation of the job "${job}" is running (${other.owner}); nothing was sent`, {
        hint: 'run the command again when it has ended: its answers are stored and not paid for again',
      });
    }
    const lease = { owner, until: context.now().getTime() + leaseMs, inFlightUsd };
    await reserve(tx, { ...charge, budgetUsd, lease });
  });
  return charge.id;
}

/**
 * Settles the charges of processes that died: at the price of the answers that they stored, and the highest price of those that may have
 * been under way.
 */
async function settleAbandonedCharges({ store, context, leaseMs }: Workspace, account: Account): Promise<void> {
  for (const { id, until, inFlightUsd } of await listLeasedCharges(store, account)) {
    if (!hasLeaseEnded(until, { leaseMs, now: context.now })) continue;
    const prices = (await listAnswersOfCharge(store, id)).map(({ paid }) => paid?.usd ?? null);
    if (prices.includes(null)) continue; // nothing better is known than the reserved amount
    await settleCharge(
      store,
      id,
      prices.reduce<number>((sum, usd) => sum + usd!, inFlightUsd),
    );
  }
}

/**
 * What an answer of a model costs at most, and those that it gives at the same time: where work breaks off they may be paid for and lost.
 */
function getShare({ client, requests }: RequestBatch, { high }: Quote): BatchShare {
  return { answerUsd: high / requests.length, underWayUsd: high * Math.min(1, client.settings.concurrency / requests.length) };
}

/** @throws Failure `model-unavailable`, with the command that deploys the model */
function checkDeployed(open: readonly RequestBatch[]): void {
  const runs = open.map(({ client }) => client.undeployedRun).filter((run) => run !== null);
  if (runs.length === 0) return;
  const commands = runs.map((run) => `\`orchestrate deploy ${run} --hours 1\``).join(', ');
  throw new Failure('model-unavailable', `${runs.join(', ')}: the service runs a tuned model only while it is deployed; nothing was sent`, {
    hint: `deploy it first, which costs by the hour: ${commands}`,
  });
}

/** @throws Failure `budget-exceeded` */
function checkLimits({ low, high, asOf }: Quote, { budgetUsd, maxUsd }: SpendLimit, open: readonly RequestBatch[]): void {
  const count = open.reduce((sum, { requests }) => sum + requests.length, 0);
  const day = asOf === null ? '' : ` (prices of ${asOf})`;
  const range = `${formatUsd(roundUp(low))} to ${formatUsd(roundUp(high))}`;
  const estimate = `${count.toLocaleString('en-US')} answers would cost ${range}${day}`;
  if (maxUsd !== null && high > maxUsd) {
    throw new Failure('budget-exceeded', `${estimate}; --max-usd allows ${formatUsd(maxUsd)}; nothing was sent`, {
      hint: `allow it with --max-usd ${roundUp(high)}, or choose fewer rows`,
    });
  }
  if (maxUsd === null && budgetUsd === null) {
    throw new Failure('budget-exceeded', `${estimate}, and no spending limit is set; nothing was sent`, {
      hint: `allow it with --max-usd ${roundUp(high)}, or set budget.usd in the job file`,
    });
  }
}

/** To a cent, or to two digits where it is less: as a limit the result allows the amount. */
function roundUp(usd: number): number {
  const step = usd >= 0.1 || usd === 0 ? 0.01 : 10 ** (Math.floor(Math.log10(usd)) - 1);
  return Number((Math.ceil(usd / step - 1e-9) * step).toPrecision(12));
}

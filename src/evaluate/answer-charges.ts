import { Failure } from '../errors.ts';
import { listLeasedCharges, releaseCharge, settleCharge, type Account, type LeasedCharge } from '../run/budget.ts';
import { hasLeaseEnded } from '../run/lease.ts';
import type { Workspace } from '../run/workspace.ts';
import { listAnswersOfCharge } from './stored-answers.ts';

/** What is paid: the held-out rows of a job, for which one process at a time may ask, or texts of the user. */
export type AnswerPurpose = 'evaluation' | 'texts';

export type ChargeWorkspace = Pick<Workspace, 'store' | 'context' | 'owner' | 'leaseMs'>;

/**
 * Settles what processes reserved for answers and did not live to settle: at the price of the answers that they stored and of those
 * that may have been under way.
 */
export async function settleAbandonedCharges({ store, context, leaseMs }: ChargeWorkspace, account: Account): Promise<void> {
  for (const { id, until, inFlightUsd } of await listLeasedCharges(store, account)) {
    if (!hasLeaseEnded(until, { leaseMs, now: context.now })) continue;
    const answers = await listAnswersOfCharge(store, id);
    if (answers.some(({ paid }) => paid?.usd === null)) continue; // nothing better is known than the reserved limit
    await settleCharge(
      store,
      id,
      answers.reduce((sum, { paid }) => sum + (paid?.usd ?? 0), inFlightUsd),
    );
  }
}

/**
 * Makes sure that no other evaluation of the job is running, which would pay for the same answers. A process that was killed keeps its
 * lease for a short time; this waits for its end.
 * @throws Failure `store-locked`
 */
export async function checkNoneRuns(workspace: ChargeWorkspace, account: Account): Promise<void> {
  const { context } = workspace;
  await settleAbandonedCharges(workspace, account);
  const [first] = await listRunning(workspace, account);
  if (first === undefined) return;
  await context.wait(Math.max(0, first.until - context.now().getTime()) + 1);
  await settleAbandonedCharges(workspace, account);
  const [other] = await listRunning(workspace, account);
  if (other !== undefined) throw createRunningFailure(account, other);
}

/**
 * Called once the own charge is reserved: of two evaluations that began at once the earlier goes on, and the other one's charge is
 * released.
 * @throws Failure `store-locked`
 */
export async function checkFirst(workspace: ChargeWorkspace, account: Account, own: string): Promise<void> {
  const [first] = await listRunning(workspace, account);
  if (first === undefined || first.id === own) return;
  await releaseCharge(workspace.store, own);
  throw createRunningFailure(account, first);
}

/** Oldest first. */
async function listRunning({ store, context, leaseMs }: ChargeWorkspace, account: Account): Promise<LeasedCharge[]> {
  const charges = await listLeasedCharges(store, account);
  return charges.filter(({ purpose, until }) => purpose === 'evaluation' && !hasLeaseEnded(until, { leaseMs, now: context.now }));
}

function createRunningFailure({ job }: Account, { owner }: LeasedCharge): Failure {
  return new Failure('store-locked', `another evaluation of the job "${job}" is running (${owner}); nothing was asked`, {
    hint: 'run the command again when it has ended: its answers are kept and not asked again',
  });
}

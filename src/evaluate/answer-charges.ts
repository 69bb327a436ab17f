import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Failure } from '../errors.ts';
import { releaseCharge, settleCharge, type Account } from '../run/charges.ts';
import type { Store } from '../store/open-store.ts';
import { listAnswersOfCharge } from './answers.ts';

/** What is paid: the held-out rows of a job, which one process asks at a time, or texts of a user's own. */
export type AnswerPurpose = 'evaluation' | 'texts';

/** Tells this process from an earlier one that had its number. */
const nonce = randomUUID();

/** A new charge's name, which tells whose it is, and what answers cost at most that are under way at the same time. */
export function toChargeId(purpose: AnswerPurpose, underWayUsd: number): string {
  return [purpose, hostname(), process.pid, nonce, randomUUID(), Math.ceil(underWayUsd * 1e6)].join('/');
}

function toUnderWayUsd(id: string): number {
  return Number(id.split('/')[5] ?? 0) / 1e6;
}

/**
 * Settles what processes of this machine reserved for answers and did not live to settle: at the price of the answers that are kept, and
 * of those that may have been under way. Of another machine nobody here can tell whether it lives.
 */
export async function settleAbandonedCharges(store: Store, account: Account): Promise<void> {
  for (const { id } of await listReserved(store, account)) {
    if (!isAbandoned(id)) continue;
    const answers = await listAnswersOfCharge(store, id);
    if (answers.some(({ paid }) => paid?.usd === null)) continue; // what it reserved is all that is known
    await settleCharge(
      store,
      id,
      answers.reduce((sum, { paid }) => sum + (paid?.usd ?? 0), toUnderWayUsd(id)),
    );
  }
}

/**
 * That no other evaluation of the job is under way, which would pay for the same answers. Called with one's own charge reserved, so that
 * of two at once the earlier goes on; the other one's charge is released.
 * @throws Failure `store-locked`
 */
export async function checkAlone(store: Store, account: Account, own: string): Promise<void> {
  if (!own.startsWith('evaluation/')) return;
  const [first] = (await listReserved(store, account)).filter(({ id }) => id.startsWith('evaluation/') && isOfHere(id) && !isAbandoned(id));
  if (first === undefined || first.id === own) return;
  await releaseCharge(store, own);
  const message = `another evaluation of the job "${account.job}" is under way (process ${first.id.split('/')[2]}); nothing was asked`;
  throw new Failure('store-locked', message, { hint: 'run the command again when it has ended: what it was answered is not asked again' });
}

/** Oldest first. */
async function listReserved(store: Store, { job, workspace }: Account): Promise<{ id: string }[]> {
  return await store
    .selectFrom('charge')
    .select('id')
    .where('job', '=', job)
    .where('workspace', workspace === null ? 'is' : '=', workspace)
    .where('what', '=', 'predictions')
    .where('state', '=', 'reserved')
    .orderBy('at')
    .orderBy('id')
    .execute();
}

function isOfHere(id: string): boolean {
  return id.split('/')[1] === hostname();
}

function isAbandoned(id: string): boolean {
  const [, , number, itsNonce] = id.split('/');
  const pid = Number(number);
  if (!isOfHere(id) || !Number.isSafeInteger(pid) || pid <= 0) return false;
  return pid === process.pid ? itsNonce !== nonce : !isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH'); // someone else's is alive too
  }
}

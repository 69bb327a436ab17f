import { Failure } from '../errors.ts';
import type { Context } from '../provider/context.ts';
import { formatUsd } from '../run/budget.ts';
import type { SpendMeter } from './answers.ts';
import type { ModelClient } from './models.ts';
import { priceAnswer } from './prices.ts';
import type { RequestBatch } from './requests.ts';

/** What the answers of a model cost at most, in dollars: each of them, and those that are under way at the same time. */
export interface BatchShare {
  readonly answerUsd: number;
  readonly underWayUsd: number;
}

/** The reserved money that answers are paid from. */
export interface MeterAccount {
  readonly charge: string;
  readonly quotedUsd: number;
  /** Reserves more; false where no more may be spent. */
  raise(usd: number): Promise<boolean>;
}

export interface CountingMeter extends SpendMeter {
  /**
   * What is booked at the end. @param isBroken the work broke off: answers that were under way, of the model that was asked last, may be
   * paid for and lost
   */
  getBookedUsd(isBroken: boolean): number;
}

/**
 * Writes the price on each answer, and adds the prices up. A service may charge more than was quoted, such as one that knows no limit of
 * tokens: then the answers to come are expected to cost as much as the dearest so far, and where that is more than may be spent no more are
 * asked.
 */
export function createMeter(
  open: readonly RequestBatch[],
  {
    context,
    shares,
    account,
  }: { readonly context: Context; readonly shares: ReadonlyMap<ModelClient, BatchShare>; readonly account: MeterAccount | null },
): CountingMeter {
  const sent = new Map(open.flatMap(({ client, requests }) => requests.map((request) => [request.id, { client, request }] as const)));
  const uninterruptible = { ...context, signal: new AbortController().signal }; // answers that came before an interruption have a price too
  const quotedUsd = account?.quotedUsd ?? 0;
  let reservedUsd = quotedUsd;
  let [spentUsd, lostUsd, underWayUsd, answers, worst] = [0 as number | null, 0, 0, 0, 1];
  let leftUsd = quotedUsd; // of the quote, for what is not answered yet
  let overrun: Failure | null = null;
  const checkRoom = async (): Promise<void> => {
    if (account === null || spentUsd === null || overrun !== null) return;
    const expectedUsd = spentUsd + lostUsd + worst * Math.max(0, leftUsd);
    if (expectedUsd <= reservedUsd * (1 + 1e-9)) return;
    if (await account.raise(expectedUsd)) reservedUsd = expectedUsd;
    else overrun = createOverrun({ answers, usd: spentUsd + lostUsd, quotedUsd });
  };
  return {
    begin(client) {
      underWayUsd = shares.get(client)?.underWayUsd ?? 0;
    },
    async record(prediction) {
      const { client, request } = sent.get(prediction.id) ?? {};
      if (client?.provider.inference?.quote === undefined || request === undefined) return prediction;
      const price = await priceAnswer(client, { request, prediction }, uninterruptible).catch(() => null);
      const usd = price?.usd ?? null;
      answers += 1;
      spentUsd = usd === null || spentUsd === null ? null : spentUsd + usd;
      leftUsd -= price?.quotedUsd ?? 0;
      if (usd !== null && price?.quotedUsd) worst = Math.max(worst, usd / price.quotedUsd);
      await checkRoom();
      return { ...prediction, paid: { usd, charge: account?.charge ?? null } };
    },
    addLost(id) {
      const { client } = sent.get(id) ?? {};
      lostUsd += worst * (client === undefined ? 0 : (shares.get(client)?.answerUsd ?? 0));
    },
    getOverrun: () => overrun,
    getBookedUsd(isBroken) {
      if (spentUsd === null) return Math.max(reservedUsd, quotedUsd + lostUsd);
      const knownUsd = spentUsd + lostUsd;
      return isBroken ? Math.max(knownUsd, Math.min(worst * quotedUsd, knownUsd + worst * underWayUsd)) : knownUsd;
    },
  };
}

function createOverrun({ answers, usd, quotedUsd }: { answers: number; usd: number; quotedUsd: number }): Failure {
  const cost = `${answers === 1 ? 'one answer has' : `${answers.toLocaleString('en-US')} answers have`} cost ${formatUsd(usd)}`;
  return new Failure('budget-exceeded', `${cost}, where all together were to cost ${formatUsd(quotedUsd)} at most; no more were asked`, {
    hint: 'the service charges more than its prices and maxTokens allow; what was answered is kept and booked: `orchestrate compare` shows it, and a higher --max-usd or budget.usd lets the rest be asked',
  });
}

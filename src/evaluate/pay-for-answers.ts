import type { Context } from '../provider/context.ts';
import type { Quote } from '../provider/provider.ts';
import { toModelName } from '../provider/model-name.ts';
import { Failure } from '../errors.ts';
import { formatUsd, renewChargeLease, reserve, settleCharge } from '../run/budget.ts';
import { startRenewing } from '../run/lease.ts';
import { randomUUID } from 'node:crypto';
import { checkFirst, checkNoneRuns, settleAbandonedCharges, type AnswerPurpose, type ChargeWorkspace } from './answer-charges.ts';
import type { SpendMeter } from './answer-rows.ts';
import type { ModelClient } from './prompt-settings.ts';
import { findOpenQuestions, type Ask } from './open-questions.ts';
import { priceAnswer, quoteAnswers, toSum } from './price.ts';

/** Whose money it is, and how much of it may be spent. */
export interface SpendLimit {
  readonly job: string;
  readonly workspace: string | null;
  readonly purpose: AnswerPurpose;
  /** For everything about the job together; null: no such limit. */
  readonly budgetUsd: number | null;
  /** For these answers; null: no such limit. */
  readonly maxUsd: number | null;
}

/**
 * Lets `work` have questions answered. Where that costs, the upper estimate of what was not answered yet is reserved first, at once for
 * all models. What the answers have cost is settled at the end; of work that fails or is interrupted half-way also what those may have
 * cost that were under way; for a process that
 * is killed the next one settles it.
 * @throws Failure `budget-exceeded`, and `store-locked` where another evaluation is under way; nothing is asked then
 */
export async function payForAnswers<T>(
  workspace: ChargeWorkspace,
  { limit, asks }: { readonly limit: SpendLimit; readonly asks: readonly Ask[] },
  work: (meter: SpendMeter) => Promise<T>,
): Promise<T> {
  const { store, context, owner, leaseMs } = workspace;
  const open = await findOpenQuestions(store, asks);
  const quotes = await Promise.all(open.map(async ({ client, questions }) => await quoteAnswers(client, questions, context)));
  const quote = toSum(quotes);
  if (quote === null) throw await toUnpricedFailure(open, context);
  const underWay = new Map(open.map((ask, i) => [ask.client, toUnderWayUsd(ask, quotes[i]!)]));
  if (quote.high === 0) return await work(createTill(open, { context, charge: null, underWay }));
  checkLimits(quote, limit, open);
  const { job, workspace: team, budgetUsd, purpose } = limit;
  const account = { job, workspace: team };
  await (purpose === 'evaluation' ? checkNoneRuns : settleAbandonedCharges)(workspace, account);
  const charge = randomUUID();
  const now = context.now();
  const lease = { owner, until: now.getTime() + leaseMs, inFlightUsd: Math.max(...underWay.values()) };
  await reserve(store, { ...account, id: charge, purpose, usd: quote.high, at: now.toISOString(), budgetUsd, lease });
  if (purpose === 'evaluation') await checkFirst(workspace, account, charge);
  const stop = startRenewing({ leaseMs, now: context.now }, async (until) => await renewChargeLease(store, charge, until));
  const meter = createTill(open, { context, charge, underWay });
  let lostUsd: number | null = null;
  try {
    const done = await work(meter);
    lostUsd = 0;
    return done;
  } finally {
    stop();
    const spentUsd = meter.spentUsd();
    await settleCharge(store, charge, spentUsd === null ? quote.high : Math.min(quote.high, spentUsd + (lostUsd ?? meter.underWayUsd())));
  }
}

/** What the answers cost that a model is asked for at the same time: of work that breaks off they may be paid and lost. */
function toUnderWayUsd({ client, questions }: Ask, { high }: Quote): number {
  return high * Math.min(1, client.settings.concurrency / questions.length);
}

interface CountingTill extends SpendMeter {
  /** Null where the price of an answer was not known. */
  spentUsd(): number | null;
  /** Of the model that was asked last; models are asked one after the other where that costs. */
  underWayUsd(): number;
}

/** Writes on each answer what it has cost, and adds it up. */
function createTill(
  open: readonly Ask[],
  { context, charge, underWay }: { context: Context; charge: string | null; underWay: ReadonlyMap<ModelClient, number> },
): CountingTill {
  const asked = new Map(open.flatMap(({ client, questions }) => questions.map((question) => [question.id, { client, question }] as const)));
  const uninterruptible = { ...context, signal: new AbortController().signal }; // what came before an interruption has its price all the same
  let spentUsd: number | null = 0;
  let underWayUsd = 0;
  return {
    begin(client) {
      underWayUsd = underWay.get(client) ?? 0;
    },
    async record(prediction) {
      const { client, question } = asked.get(prediction.id) ?? {};
      if (client?.provider.inference?.quote === undefined || question === undefined) return prediction;
      const usd = await priceAnswer(client, { question, prediction }, uninterruptible).catch(() => null);
      spentUsd = usd === null || spentUsd === null ? null : spentUsd + usd;
      return { ...prediction, paid: { usd, charge } };
    },
    spentUsd: () => spentUsd,
    underWayUsd: () => underWayUsd,
  };
}

function checkLimits({ low, high, asOf }: Quote, { budgetUsd, maxUsd }: SpendLimit, open: readonly Ask[]): void {
  const count = open.reduce((sum, { questions }) => sum + questions.length, 0);
  const day = asOf === null ? '' : `, by prices of ${asOf}`;
  const estimate = `${count.toLocaleString('en-US')} answers would cost ${formatUsd(toCents(low))} to ${formatUsd(toCents(high))}${day}`;
  if (maxUsd !== null && high > maxUsd) {
    throw new Failure('budget-exceeded', `${estimate}; --max-usd allows ${formatUsd(maxUsd)}; nothing was asked`, {
      hint: `allow it with --max-usd ${toCents(high)}, or ask for less`,
    });
  }
  if (maxUsd === null && budgetUsd === null) {
    throw new Failure('budget-exceeded', `${estimate}, and nothing says how much may be spent; nothing was asked`, {
      hint: `allow it with --max-usd ${toCents(high)}, or set budget.usd in the job file`,
    });
  }
}

/** Rounded up to a cent, or to two digits where it is less: as a limit it lets this amount pass. */
function toCents(usd: number): number {
  const step = usd >= 0.1 || usd === 0 ? 0.01 : 10 ** (Math.floor(Math.log10(usd)) - 1);
  return Number((Math.ceil(usd / step - 1e-9) * step).toPrecision(12));
}

async function toUnpricedFailure(open: readonly Ask[], context: Context): Promise<Failure> {
  const names = new Set<string>();
  let areEndless = true;
  for (const { client, questions } of open) {
    const { model } = client;
    if ((await quoteAnswers(client, questions, context)) !== null) continue;
    names.add(model.kind === 'endpoint' ? model.base : toModelName(model));
    const { generation } = client.settings;
    const settings = { ...client.settings, generation: { ...generation, maxTokens: 1 } };
    areEndless &&= generation.maxTokens === undefined && (await quoteAnswers({ ...client, settings }, questions, context)) !== null;
  }
  const of = `answers of ${[...names].join(', ')}`;
  if (areEndless) {
    return new Failure('budget-exceeded', `nobody knows how long ${of} may become, so that no limit can be kept; nothing was asked`, {
      hint: 'set evaluation.generation.maxTokens in the job file, or --max-tokens where there is none',
    });
  }
  return new Failure('budget-exceeded', `nobody knows the price of ${of}, so that no limit can be kept; nothing was asked`, {
    hint: 'set ORCHESTRATE_PRICES, such as {"gpt-4.1-mini-2025-04-14": {"input": 0.8, "output": 3.2}}, in US dollars per 1M tokens',
  });
}

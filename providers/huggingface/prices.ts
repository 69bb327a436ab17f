import { z } from 'zod';
import type { Context, QuoteContext } from '../../src/provider/context.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { isFailure } from '../../src/errors.ts';
import { openHub, type Hub } from './hub.ts';
import type { HubRequest } from './request.ts';

/** What an hour of a machine costs. */
export interface HourPrice {
  readonly usd: number;
  readonly source: string;
  /** ISO 8601. */
  readonly asOf: string;
}

const Hardware = z.array(
  z.looseObject({
    name: z.string(),
    unitCostUSD: z.number().nullish(),
    unitCostMicroUSD: z.number().nullish(),
    unitLabel: z.string().nullish(),
  }),
);

/** USD an hour, from the service's documentation of this day; used where the service itself cannot be asked. */
const documented: { readonly asOf: string; readonly usd: Readonly<Record<string, number>> } = {
  asOf: '2026-08-22',
  usd: {
    'cpu-basic': 0.01,
    'cpu-upgrade': 0.03,
    'cpu-performance': 1.9,
    'cpu-xl': 1,
    't4-small': 0.4,
    't4-medium': 0.6,
    l4x1: 0.8,
    l4x4: 3.8,
    'a10g-small': 1,
    'a10g-large': 1.5,
    'a10g-largex2': 3,
    'a10g-largex4': 5,
    l40sx1: 1.8,
    l40sx4: 8.3,
    l40sx8: 23.5,
    'a100-large': 2.5,
    a100x4: 10,
    a100x8: 20,
    h200: 5,
    h200x2: 10,
    h200x4: 20,
    h200x8: 40,
    'rtx-pro-6000': 2.75,
    'rtx-pro-6000x2': 5.5,
    'rtx-pro-6000x4': 11,
    'rtx-pro-6000x8': 22,
  },
};

const unitsAnHour: Readonly<Record<string, number>> = { minute: 60, hour: 1, second: 3600 };

/** What the service asks for a machine today, else its documented price; null for a machine that is in neither list. */
export async function readPrice(hub: Hub, flavor: string, context: Context): Promise<HourPrice | null> {
  const path = '/api/jobs/hardware';
  try {
    const machine = (await hub.read(Hardware, path)).find(({ name }) => name === flavor);
    const units = unitsAnHour[machine?.unitLabel ?? 'minute'];
    const unit = machine?.unitCostMicroUSD != null ? machine.unitCostMicroUSD / 1e6 : machine?.unitCostUSD;
    if (unit != null && units !== undefined) {
      const usd = Math.round(unit * units * 1e6) / 1e6;
      return { usd, source: `${flavor} at $${usd} an hour, from ${hub.endpoint}${path}`, asOf: context.now().toISOString().slice(0, 10) };
    }
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
  }
  const { usd: prices, asOf } = documented;
  const usd = Object.hasOwn(prices, flavor) ? prices[flavor]! : null;
  return usd === null ? null : { usd, source: `${flavor} at $${usd} an hour, from the service's documentation`, asOf };
}

/** What a training costs: nothing where it ends at once, at most the machine for all the time that it may run; null for an unknown machine. */
export async function quote({ flavor, timeoutSeconds }: HubRequest, context: QuoteContext): Promise<Quote | null> {
  const price = await readPrice(openHub(context, { isPublic: true, deadlineMs: 10_000 }), flavor, context);
  if (price === null) return null;
  const hours = timeoutSeconds / 3600;
  return {
    currency: 'USD',
    low: 0,
    high: Math.round(price.usd * hours * 1e6) / 1e6,
    source: `${price.source}, for at most ${Number(hours.toFixed(2))} hours`,
    asOf: price.asOf,
  };
}

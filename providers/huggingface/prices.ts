import { z } from 'zod';
import type { Context, QuoteContext } from '../../src/provider/context.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { isFailure } from '../../src/errors.ts';
import { openHub, type Hub } from '../../src/provider-kit/hub.ts';
import prices from './prices.json' with { type: 'json' };
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

/** USD an hour, from the service's documentation; used where the service itself cannot be asked. */
const documented: { readonly asOf: string; readonly usd: Readonly<Record<string, number>> } = prices;

const unitsAnHour: Readonly<Record<string, number>> = { minute: 60, hour: 1, second: 3600 };

/** What the service asks for a machine today, else its documented price; null for a machine that is in neither list. */
export async function readPrice(hub: Hub, flavor: string, context: Context): Promise<HourPrice | null> {
  const path = '/api/jobs/hardware';
  try {
    const machine = (await hub.read(Hardware, path)).find(({ name }) => name === flavor);
    const units = unitsAnHour[machine?.unitLabel ?? 'minute'];
    const unit = machine?.unitCostMicroUSD != null ? machine.unitCostMicroUSD / 1e6 : machine?.unitCostUSD;
    if (unit != null && unit >= 0 && units !== undefined) {
      const usd = Math.round(unit * units * 1e6) / 1e6;
      return { usd, source: `${flavor} at $${usd} an hour, from ${hub.endpoint}${path}`, asOf: context.now().toISOString().slice(0, 10) };
    }
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
  }
  const { asOf } = documented;
  const usd = Object.hasOwn(documented.usd, flavor) ? documented.usd[flavor]! : null;
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

import type { QuoteContext } from '../../src/provider/context.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { openHub } from './client.ts';
import { readPrice } from './prices.ts';
import type { HubRequest } from './request.ts';

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

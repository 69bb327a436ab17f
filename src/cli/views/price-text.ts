import type { Quote } from '../../provider/provider.ts';
import { formatUsd } from '../../run/budget.ts';

/** `$1.20 to $2.40 (list prices, of 2026-01-01)`. */
export function toPriceText({ low, high, source, asOf }: Pick<Quote, 'low' | 'high' | 'source' | 'asOf'>): string {
  const origin = asOf === null ? source : `${source}, of ${asOf}`;
  if (high === 0) return `nothing (${origin})`;
  return `${low === high ? formatUsd(high) : `${formatUsd(low)} to ${formatUsd(high)}`} (${origin})`;
}
